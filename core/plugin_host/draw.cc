// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/draw.h"

#include <map>
#include <set>
#include <string>
#include <utility>

namespace gw::plugin_host {

namespace {

namespace fs = std::filesystem;

// The catalogue of a configuration, which it keeps alive.
class ConfigTexts final : public pipeline::TextSource {
 public:
  explicit ConfigTexts(std::shared_ptr<const config::GatewayConfig> config)
      : config_(std::move(config)) {}
  std::string_view text(std::string_view key, std::string_view accept_language,
                        std::string_view fallback) const override {
    const config::Messages& messages = config_->messages;
    return messages.text(key, messages.choose(accept_language), fallback);
  }

 private:
  std::shared_ptr<const config::GatewayConfig> config_;
};

// Attributes that every exchange has (gateway/abi/context.h).
const std::set<std::string> kCoreAttributes = {"client.address", "client.scheme", "request.id"};

class Drawing {
 public:
  Drawing(Host& host, Libraries& libraries, const config::GatewayConfig& config,
          const std::vector<std::shared_ptr<Instance>>& running, settings::Complaints& complaints)
      : host_(host),
        libraries_(libraries),
        config_(config),
        running_(running),
        complaints_(complaints) {}

  void instances(Blueprint& blueprint) {
    for (const config::PluginConfig& plugin : config_.plugins) {
      auto instance = make(plugin);
      by_name_[plugin.name] = instance;
      if (instance == nullptr) continue;
      if (!plugin.record.empty())
        blueprint.recorders[instance.get()] = std::make_shared<Recorder>(
            host_.log, host_.clock, plugin.record, plugin.record_exchanges);
      blueprint.instances.push_back(std::move(instance));
    }
  }

  void chains(Blueprint& blueprint) {
    for (const config::PipelineConfig& from : config_.pipelines) {
      ChainPlan plan;
      plan.name = "pipeline " + std::to_string(blueprint.chains.size() + 1);
      const auto one = [](const std::string& text) {
        return text.empty() ? std::vector<std::string>() : std::vector<std::string>{text};
      };
      auto match = pipeline::ChainMatch::compile(from.paths, one(from.host), one(from.listener));
      if (match.ok()) {
        plan.match = *match;
      } else {
        complain(from.position, match.error());
      }
      for (std::size_t i = 0; i < from.filters.size(); ++i) place(from, i, plan);
      attributes(from);
      blueprint.chains.push_back(std::move(plan));
    }
  }

 private:
  void complain(settings::Position position, const std::string& message) {
    complaints_.add(config_.document->file, position, message);
  }

  // Null after a complaint.
  std::shared_ptr<Instance> make(const config::PluginConfig& plugin) {
    auto refuse = [&](const std::string& why) {
      complain(plugin.position, "plugin " + plugin.name + ": " + why);
      return nullptr;
    };
    auto file = plugin_file(config_, plugin.file);
    if (!file) return refuse(file.error());
    auto library = libraries_.open(*file);
    if (!library) return refuse(library.error());
    for (const auto& old : running_)
      if (old->is((*library)->hash(), plugin.name, plugin.fingerprint)) return old;

    auto checked = config_.check_plugin(plugin, (*library)->manifest().config);
    if (!checked->ok()) {
      complaints_.append(checked->complaints);
      return nullptr;
    }
    auto instance =
        std::make_shared<Instance>(host_, std::move(*library), plugin.name, plugin.fingerprint);
    const gw_status status = instance->create(checked->root.abi());
    complaints_.append(checked->complaints);
    if (status == GW_OK && checked->ok()) return instance;
    return checked->ok() ? refuse("create failed with status " + std::to_string(status)) : nullptr;
  }

  // The i-th filter of a pipeline into its plan.
  void place(const config::PipelineConfig& from, std::size_t i, ChainPlan& plan) {
    const auto& instance = by_name_[from.filters[i]];
    if (instance == nullptr) return;  // complained about already
    const gw_filter_api* filter = instance->filter();
    const gw_router_api* router = instance->router();
    const bool last = i + 1 == from.filters.size();
    auto refuse = [&](const std::string& why) {
      complain(from.filter_positions[i], instance->name() + " " + why);
    };
    if (filter == nullptr && router == nullptr)
      return refuse("is neither filter nor router: it cannot stand in a pipeline");
    if (filter == nullptr && !last) return refuse("is a router: it must stand last in a pipeline");
    if (filter != nullptr && !GW_HAS(filter, on_request_head))
      return refuse("has no on_request_head, which every filter needs");
    if (filter != nullptr) plan.filters.push_back(instance);
    if (router == nullptr || !last) return;
    if (!GW_HAS(router, choose)) return refuse("has no choose, which every router needs");
    plan.router = instance;
  }

  // Every attribute that is consumed must be provided by the core or by a filter before.
  void attributes(const config::PipelineConfig& from) {
    std::set<std::string> known = kCoreAttributes;
    for (std::size_t i = 0; i < from.filters.size(); ++i) {
      const auto& instance = by_name_[from.filters[i]];
      if (instance == nullptr) return;  // what it would provide is not known
      const auto& attributes = instance->library().manifest().attributes;
      for (const std::string& wanted : attributes.consumes) {
        if (known.count(wanted) != 0) continue;
        const std::string later = provider_behind(from, i, wanted);
        complain(from.filter_positions[i],
                 instance->name() + " needs the attribute " + wanted +
                     (later.empty() ? ", which nothing in this pipeline provides"
                                    : ": " + later + ", which provides it, must stand before it"));
      }
      known.insert(attributes.provides.begin(), attributes.provides.end());
    }
  }

  std::string provider_behind(const config::PipelineConfig& from, std::size_t i,
                              const std::string& wanted) const {
    for (++i; i < from.filters.size(); ++i) {
      const auto found = by_name_.find(from.filters[i]);
      if (found == by_name_.end() || found->second == nullptr) continue;
      for (const std::string& name : found->second->library().manifest().attributes.provides)
        if (name == wanted) return found->first;
    }
    return "";
  }

  Host& host_;
  Libraries& libraries_;
  const config::GatewayConfig& config_;
  const std::vector<std::shared_ptr<Instance>>& running_;
  settings::Complaints& complaints_;
  std::map<std::string, std::shared_ptr<Instance>> by_name_;  // null: could not be made
};

}  // namespace

base::Result<fs::path> plugin_file(const config::GatewayConfig& config, const std::string& name) {
  const fs::path file(name);
  if (file.is_absolute()) return file;
  if (file.has_parent_path()) return fs::path(config.document->folder) / file;
  std::string searched;
  for (const std::string& folder : config.server.plugin_path) {
    std::error_code failed;
    if (fs::exists(fs::path(folder) / file, failed)) return fs::path(folder) / file;
    searched += (searched.empty() ? "" : ", ") + folder;
  }
  return base::Error{"there is no " + name + " in the plugin_path (" + searched + ")"};
}

void try_plugin(
    Host& host, Libraries& libraries, const std::shared_ptr<const config::GatewayConfig>& config,
    const std::string& name,
    const std::function<void(const std::string& phase, const std::string& name)>& step) {
  for (const config::PluginConfig& plugin : config->plugins) {
    if (plugin.name != name) continue;
    step("while it was loaded", name);
    auto file = plugin_file(*config, plugin.file);
    if (!file) return;
    auto library = libraries.open(*file);
    if (!library) return;
    auto checked = config->check_plugin(plugin, (*library)->manifest().config);
    if (checked->ok()) {
      step("in create", name);
      Instance instance(host, *library, name, plugin.fingerprint);
      (void)instance.create(checked->root.abi());
      step("in destroy", name);
    }
    step("while it was unloaded", name);
  }
}

Blueprint draw(Host& host, Libraries& libraries,
               std::shared_ptr<const config::GatewayConfig> config,
               const std::vector<std::shared_ptr<Instance>>& running,
               settings::Complaints& complaints) {
  host.listeners.clear();
  for (const config::Listener& listener : config->listeners)
    host.listeners.push_back({listener.address.text, listener.address.loopback});
  Blueprint blueprint;
  blueprint.canary = {config->server.canary_percent, config->server.canary_time_ms,
                      config->server.canary_max_errors_percent};
  blueprint.start_timeout_ms = config->server.start_timeout_ms;
  blueprint.drain_timeout_ms = config->server.drain_timeout_ms;
  Drawing drawing(host, libraries, *config, running, complaints);
  drawing.instances(blueprint);
  drawing.chains(blueprint);
  blueprint.texts = std::make_shared<ConfigTexts>(std::move(config));
  return blueprint;
}

}  // namespace gw::plugin_host
