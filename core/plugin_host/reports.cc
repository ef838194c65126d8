// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/reports.h"

#include <utility>

#include "plugin_host/context.h"

namespace gw::plugin_host {

void Reports::publish(const std::string& name, std::string json) {
  auto document = std::make_shared<const std::string>(std::move(json));
  const std::lock_guard lock(mutex_);
  all_.insert_or_assign(name, std::move(document));
}

std::shared_ptr<const std::string> Reports::read(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(name);
  return found == all_.end() ? nullptr : found->second;
}

std::vector<std::string> Reports::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, document] : all_) names.push_back(name);
  return names;
}

namespace {

gw_status read(gw_context* context, gw_str name, void (*take)(void*, gw_str), void* user) {
  const auto document = context->host.reports.read({name.ptr, static_cast<std::size_t>(name.len)});
  if (document == nullptr) return GW_NOT_FOUND;
  take(user, {document->data(), document->size()});
  return GW_OK;
}

void visit(gw_context* context, void (*visitor)(void*, gw_str), void* user) {
  for (const std::string& name : context->host.reports.names())
    visitor(user, {name.data(), name.size()});
}

}  // namespace

const gw_report_api* report_api() {
  static constexpr gw_report_api api = {sizeof(gw_report_api), read, visit};
  return &api;
}

}  // namespace gw::plugin_host
