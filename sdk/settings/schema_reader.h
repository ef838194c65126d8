// SPDX-License-Identifier: Apache-2.0
//
// Reads a schema from a manifest: [config], a table of keys, each a table that describes it.
#pragma once

#include <string>

#include "settings/complaints.h"
#include "settings/document.h"
#include "settings/schema.h"

namespace gw::settings {

// `from` is a table of `document`, which `where` names in complaints. After complaints the schema
// is not whole.
Schema read_schema(const Document& document, const Node& from, const std::string& where,
                   Complaints& complaints);

}  // namespace gw::settings
