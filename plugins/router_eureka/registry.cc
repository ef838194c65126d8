// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <functional>

#include "route.h"

namespace gw::router {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxText = 512;

// A member as text; numbers and booleans as they are written. Empty when absent or of another type.
std::string text_of(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end()) return {};
  if (found->is_string()) return found->get_ref<const std::string&>();
  if (found->is_number_integer() || found->is_boolean()) return found->dump();
  return {};
}

struct Port {
  std::uint16_t number = 0;
  bool enabled = false;
};

// {"$":8080,"@enabled":"true"}
Port port_of(const Json& instance, const char* key) {
  auto found = instance.find(key);
  Port port;
  if (found == instance.end() || !found->is_object()) return port;
  std::uint64_t number = 0;
  if (parse_unsigned(text_of(*found, "$"), number) && number <= 65535)
    port.number = static_cast<std::uint16_t>(number);
  port.enabled = text_of(*found, "@enabled") == "true" && port.number != 0;
  return port;
}

std::vector<std::string> split_vips(std::string_view text) {
  constexpr std::size_t kMostVips = 16;
  std::vector<std::string> all;
  while (all.size() < kMostVips) {
    std::size_t comma = text.find(',');
    std::string_view one = trimmed(text.substr(0, comma));
    if (is_host(one)) all.push_back(lower_case(one));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return all;
}

EurekaInstance parse_instance(const Json& json) {
  EurekaInstance instance;
  instance.status = text_of(json, "status");
  instance.host = text_of(json, "hostName");
  if (instance.host.empty()) instance.host = text_of(json, "ipAddr");
  Port plain = port_of(json, "port"), secure = port_of(json, "securePort");
  instance.secure = secure.enabled;
  instance.port = secure.enabled ? secure.number : plain.number;
  instance.vips = split_vips(text_of(json, "vipAddress"));
  instance.usable = is_host(instance.host) && instance.port != 0 && !instance.vips.empty();
  return instance;
}

// An object stands for an array of one (XML's habit), null and absence for an empty one.
bool each(const Json& object, const char* key, std::string& error,
          const std::function<bool(const Json&)>& visit) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return true;
  if (found->is_object()) return visit(*found);
  if (!found->is_array()) {
    error = std::string("'") + key + "' is not an array";
    return false;
  }
  for (const Json& one : *found) {
    if (!one.is_object()) {
      error = std::string("'") + key + "' holds something that is not an object";
      return false;
    }
    if (!visit(one)) return false;
  }
  return true;
}

struct Item {
  std::string application, id, action;
  EurekaInstance instance;
};

// Takes an answer's body apart. `hash` is empty when it holds none.
bool parse_answer(std::string_view body, std::vector<Item>& items, std::string& hash,
                  std::string& error) {
  auto json = parse_json(body, Registry::kMaxDepth);
  if (!json || !json->is_object()) {
    error = "not a JSON object (or nested too deep)";
    return false;
  }
  auto root = json->find("applications");
  if (root == json->end() || !root->is_object()) {
    error = "no object 'applications'";
    return false;
  }
  hash = text_of(*root, "apps__hashcode");
  return each(*root, "application", error, [&](const Json& application) {
    std::string name = text_of(application, "name");
    if (name.empty() || name.size() > kMaxText) {
      error = "an application without a name";
      return false;
    }
    return each(application, "instance", error, [&](const Json& json_instance) {
      Item item{name, text_of(json_instance, "instanceId"), text_of(json_instance, "actionType"),
                parse_instance(json_instance)};
      if (item.id.empty()) item.id = text_of(json_instance, "hostName");
      if (item.id.empty() || item.id.size() > kMaxText || item.instance.status.size() > 64) {
        error = "an instance of " + name + " without an instanceId";
        return false;
      }
      items.push_back(std::move(item));
      if (items.size() <= Registry::kMostInstances) return true;
      error = "more than " + std::to_string(Registry::kMostInstances) + " instances";
      return false;
    });
  });
}

std::size_t count_instances(const Registry::Applications& applications) {
  std::size_t count = 0;
  for (const auto& [name, instances] : applications) count += instances.size();
  return count;
}

}  // namespace

std::string Registry::hash_code(const Applications& applications) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [name, instances] : applications)
    for (const auto& [id, instance] : instances) ++counts[instance.status];
  std::string code;
  for (const auto& [status, count] : counts) code += status + "_" + std::to_string(count) + "_";
  return code;
}

bool Registry::replace(std::string_view body, std::string& error) {
  std::vector<Item> items;
  std::string hash;
  if (!parse_answer(body, items, hash, error)) return false;
  Applications fresh;
  odd_ = 0;
  for (Item& item : items) {
    if (!item.instance.usable) ++odd_;
    fresh[item.application][item.id] = std::move(item.instance);
  }
  changed_ = fresh != applications_;
  applications_ = std::move(fresh);
  count_ = count_instances(applications_);
  return true;
}

Registry::Delta Registry::apply_delta(std::string_view body, std::string& error) {
  std::vector<Item> items;
  std::string hash;
  if (!parse_answer(body, items, hash, error)) return Delta::kInvalid;
  Applications next = applications_;
  odd_ = 0;
  for (Item& item : items) {
    if (item.action == "DELETED") {
      auto found = next.find(item.application);
      if (found == next.end()) continue;
      found->second.erase(item.id);
      if (found->second.empty()) next.erase(found);
    } else if (item.action == "ADDED" || item.action == "MODIFIED") {
      if (!item.instance.usable) ++odd_;
      next[item.application][item.id] = std::move(item.instance);
    } else {
      error = "unknown actionType '" + item.action + "'";
      return Delta::kInvalid;
    }
  }
  if (count_instances(next) > kMostInstances) {
    error = "more than " + std::to_string(kMostInstances) + " instances";
    return Delta::kInvalid;
  }
  changed_ = next != applications_;
  applications_ = std::move(next);
  count_ = count_instances(applications_);
  std::string ours = hash_code(applications_);
  if (ours == hash) return Delta::kApplied;
  error = "hash code is " + ours + " here and " + hash + " there";
  return Delta::kMismatch;
}

}  // namespace gw::router
