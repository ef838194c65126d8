// SPDX-License-Identifier: Apache-2.0
//
// What the gateway tells of itself in JSON (gw.report/1). The core publishes, plugins show it.
#pragma once

#include <gateway/abi/report.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gw::plugin_host {

// Any thread.
class Reports {
 public:
  void publish(const std::string& name, std::string json);
  // Null: there is none of that name.
  std::shared_ptr<const std::string> read(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const std::string>, std::less<>> all_;
};

const gw_report_api* report_api();

}  // namespace gw::plugin_host
