// SPDX-License-Identifier: Apache-2.0
#include "locator.h"

#include "shortcut.h"

namespace gw::router {

bool is_located(const Service& service, std::string_view own_application) {
  return equal_any_case(service.application, service.name) &&
         !equal_any_case(service.application, own_application);
}

std::optional<Located> locate(const Directory& directory, std::string_view own_application,
                              std::string_view path) {
  if (path.size() < 2) return std::nullopt;
  std::size_t end = path.find('/', 1);
  std::size_t index = directory.find(path.substr(1, end == std::string_view::npos ? end : end - 1));
  if (index == Directory::kMissing) return std::nullopt;
  const Service& service = directory.services()[index];
  if (!is_located(service, own_application)) return std::nullopt;
  return Located{&service, end == std::string_view::npos ? "/" : path.substr(end)};
}

}  // namespace gw::router
