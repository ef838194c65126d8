// SPDX-License-Identifier: Apache-2.0
//
// Filters that change headers, and SetStatus. Argument counts were checked (filter.cc). Null with
// `error`.
#pragma once

#include "filter.h"

namespace gw::router {

std::unique_ptr<Filter> add_request_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> add_request_headers_if_not_present(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> set_request_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> map_request_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> remove_request_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> add_response_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> set_response_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> remove_response_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> dedupe_response_header(const Shortcut& s, std::string& error);
std::unique_ptr<Filter> set_status(const Shortcut& s, std::string& error);

}  // namespace gw::router
