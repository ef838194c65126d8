// SPDX-License-Identifier: Apache-2.0
//
// The ABI's tables whose handles belong to this room. Constant, valid as long as the process.
#pragma once

#include <gateway/abi/context.h>
#include <gateway/abi/exchange.h>
#include <gateway/abi/stream.h>

namespace gw::pipeline {

const gw_exchange_api* exchange_api();    // "gw.exchange/1"
const gw_stream_api* stream_api();        // "gw.stream/1"
const gw_attribute_api* attribute_api();  // "gw.attribute/1"
const gw_text_api* text_api();            // "gw.text/1"

}  // namespace gw::pipeline
