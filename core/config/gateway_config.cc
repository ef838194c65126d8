// SPDX-License-Identifier: Apache-2.0
#include "config/gateway_config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "config/server_schema.h"
#include "settings/values.h"
#include "settings/wording.h"

namespace gw::config {

namespace {

using settings::CheckedTable;
using settings::Complaints;
using settings::in_quotes;
using settings::Node;

// A canonical text of a value with its placeholders replaced. Lengths stand before texts, so that
// no two values look alike.
void append_canonical(std::string& out, const Node& from,
                      const settings::Environment& environment) {
  auto text = [&out](std::string_view value) {
    out += std::to_string(value.size()) + ":";
    out += value;
  };
  out += static_cast<char>('A' + static_cast<int>(from.kind));
  switch (from.kind) {
    case Node::Kind::kString: {
      std::string error;
      text(settings::expand(from.text, environment, error).value_or(from.text));
      break;
    }
    case Node::Kind::kInteger:
      text(std::to_string(from.integer));
      break;
    case Node::Kind::kFloat:
      out.append(reinterpret_cast<const char*>(&from.number), sizeof from.number);
      break;
    case Node::Kind::kBoolean:
      out += from.boolean ? '1' : '0';
      break;
    case Node::Kind::kDate:
      break;
    case Node::Kind::kArray:
      out += std::to_string(from.elements.size()) + "[";
      for (const Node& element : from.elements) append_canonical(out, element, environment);
      break;
    case Node::Kind::kTable:
      out += std::to_string(from.entries.size()) + "{";
      for (const settings::Entry& entry : from.entries) {
        text(entry.key);
        append_canonical(out, entry.value, environment);
      }
      break;
  }
}

// Names appear in logs, metrics and matches.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// Fills a GatewayConfig from a document. All complaints go to the checked tree's collector.
class Loader {
 public:
  Loader(GatewayConfig& config, const LoadOptions& options) : config_(config), options_(options) {}

  std::unique_ptr<settings::Checked> load() {
    const settings::Document& document = *config_.document;
    Node own = document.root;
    take_plugin_configs(own);
    settings::CheckInput input{&document, &own, {1, 1}, document.file};
    auto checked = settings::check(input, gateway_schema(), config_.environment);
    const CheckedTable& root = checked->root;
    if (const CheckedTable* server = root.table("server")) {
      config_.server = read_server(*server, options_);
      read_plugin_path(*server);
      read_messages(*server, checked->complaints);
      for (const std::string& address : server->strings("listen"))
        add_listener(Listener{"main", {}, false, 0, kSocketMode, {}}, address, *server, "listen");
    }
    for (const CheckedTable* listener : root.tables("listener")) read_listener(*listener);
    if (config_.listeners.empty())
      root.complain("", "nothing to listen on: give [server] a `listen`, or add a [[listener]]");
    for (const CheckedTable* plugin : root.tables("plugin")) read_plugin(*plugin);
    for (const CheckedTable* pipeline : root.tables("pipeline")) read_pipeline(*pipeline);
    if (root.tables("pipeline").empty()) root.complain("", "there is no [[pipeline]]");
    return checked;
  }

 private:
  // A plugin's own table is checked against its own schema, later.
  void take_plugin_configs(Node& own) {
    for (settings::Entry& entry : own.entries) {
      if (entry.key != "plugin") continue;
      for (Node& plugin : entry.value.elements)
        std::erase_if(plugin.entries,
                      [](const settings::Entry& inner) { return inner.key == "config"; });
    }
  }

  void read_plugin_path(const CheckedTable& server) {
    for (const std::string& path : server.strings("plugin_path")) {
      if (path.empty()) {
        server.complain("plugin_path", "holds an empty path");
        continue;
      }
      config_.server.plugin_path.push_back(
          (std::filesystem::path(config_.document->folder) / path).lexically_normal().string());
    }
    if (config_.server.plugin_path.empty() && !options_.default_plugin_path.empty())
      config_.server.plugin_path.push_back(options_.default_plugin_path);
  }

  void read_messages(const CheckedTable& server, Complaints& complaints) {
    const auto& languages = server.strings("languages");
    if (languages.empty()) server.complain("languages", "names no language");
    if (std::set<std::string>(languages.begin(), languages.end()).size() != languages.size())
      server.complain("languages", "names a language twice");
    const std::string& folder = server.string("messages");
    std::vector<std::string> usable;
    for (const std::string& language : languages) {
      const std::string problem = Messages::problem(language, folder);
      problem.empty() ? usable.push_back(language) : server.complain("languages", problem);
    }
    config_.messages = Messages(std::move(usable), folder, complaints);
  }

  void read_listener(const CheckedTable& from) {
    if (!from.has("name") || !from.has("address")) return;
    if (!is_name(from.string("name"))) from.complain("name", kNameRule);
    auto same_name = [&](const Listener& other) { return other.name == from.string("name"); };
    if (std::any_of(config_.listeners.begin(), config_.listeners.end(), same_name))
      from.complain("name", "there is another listener " + in_quotes(from.string("name")));
    Listener listener{from.string("name"), {}, from.boolean("proxy_protocol"), 0, kSocketMode, {}};
    listener.max_connections = static_cast<std::uint32_t>(from.integer("max_connections"));
    if (!read_mode(from.string("mode"), listener.mode))
      from.complain("mode", "must be a file's permissions in octal, such as \"0660\"");
    add_listener(std::move(listener), from.string("address"), from, "address");
  }

  static bool read_mode(const std::string& text, unsigned& out) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, out, 8);
    return error == std::errc() && at == end && out <= 0777;
  }

  void add_listener(Listener listener, const std::string& address, const CheckedTable& from,
                    const char* key) {
    auto parsed = parse_listen_address(address, config_.document->folder);
    if (!parsed) {
      from.complain(key, parsed.error());
      return;
    }
    bool fixed = parsed->is_unix || !parsed->inherited.empty() || parsed->port != 0;
    auto same_address = [&](const Listener& other) { return other.address.text == parsed->text; };
    if (fixed && std::any_of(config_.listeners.begin(), config_.listeners.end(), same_address))
      from.complain(key, parsed->text + " is listened on twice");
    listener.address = *parsed;
    listener.position = from.position_of(key);
    config_.listeners.push_back(std::move(listener));
  }

  // The plugin's table in the document, with its [plugin.config].
  const Node* raw_plugin(std::size_t index) const {
    const settings::Entry* plugins = config_.document->root.find("plugin");
    return plugins != nullptr && index < plugins->value.elements.size()
               ? &plugins->value.elements[index]
               : nullptr;
  }

  void read_plugin(const CheckedTable& from) {
    const Node* raw = raw_plugin(plugins_read_++);
    if (!from.has("name") || !from.has("file")) return;
    PluginConfig plugin;
    plugin.name = from.string("name");
    plugin.file = from.string("file");
    plugin.position = from.position();
    plugin.record = from.string("record");
    plugin.record_exchanges = static_cast<std::uint32_t>(from.integer("record_exchanges"));
    if (!is_name(plugin.name)) from.complain("name", kNameRule);
    if (plugin.file.empty() || plugin.file.find('\0') != std::string::npos)
      from.complain("file", "names no plugin");
    if (config_.plugin(plugin.name) != nullptr)
      from.complain("name", "there is another plugin " + in_quotes(plugin.name));
    plugin.fingerprint = config_.document->folder + "\n" + plugin.file + "\n";
    const settings::Entry* own = raw != nullptr ? raw->find("config") : nullptr;
    if (own != nullptr && own->value.kind != Node::Kind::kTable)
      from.complain("", "the `config` of " + in_quotes(plugin.name) + " must be a table");
    if (own != nullptr) {
      plugin.config = &own->value;
      append_canonical(plugin.fingerprint, own->value, config_.environment);
    }
    config_.plugins.push_back(std::move(plugin));
  }

  void read_pipeline(const CheckedTable& from) {
    PipelineConfig pipeline;
    pipeline.position = from.position();
    if (const CheckedTable* match = from.table("match")) read_match(pipeline, *match);
    if (const settings::CheckedValue* filters = from.find("filters")) {
      pipeline.filters = filters->strings;
      pipeline.filter_positions = filters->element_positions;
      if (filters->strings.empty()) from.complain("filters", "names no plugin");
    }
    check_filters(pipeline, from);
    config_.pipelines.push_back(std::move(pipeline));
  }

  void read_match(PipelineConfig& to, const CheckedTable& match) {
    to.paths = match.strings("paths");
    if (!match.string("path").empty()) to.paths.push_back(match.string("path"));
    if (!match.string("path").empty() && !match.strings("paths").empty())
      match.complain("path", "stands beside `paths`; one of them is enough");
    for (const std::string& path : to.paths)
      if (!path.starts_with('/'))
        match.complain(match.string("path").empty() ? "paths" : "path",
                       in_quotes(path) + " does not start with a slash");
    to.host = match.string("host");
    for (char& c : to.host)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (to.host.find(':') != std::string::npos && !to.host.starts_with('['))
      match.complain("host", "is a name without a port");
    to.listener = match.string("listener");
    std::vector<std::string_view> names;
    for (const Listener& listener : config_.listeners) names.push_back(listener.name);
    if (!to.listener.empty() && std::find(names.begin(), names.end(), to.listener) == names.end())
      match.complain("listener", "there is no listener " + in_quotes(to.listener) +
                                     settings::did_you_mean(to.listener, names));
  }

  void check_filters(const PipelineConfig& pipeline, const CheckedTable& from) {
    std::vector<std::string_view> names;
    for (const PluginConfig& plugin : config_.plugins) names.push_back(plugin.name);
    std::set<std::string_view> seen;
    for (const std::string& filter : pipeline.filters) {
      if (config_.plugin(filter) == nullptr)
        from.complain("filters", "there is no [[plugin]] named " + in_quotes(filter) +
                                     settings::did_you_mean(filter, names));
      else if (!seen.insert(filter).second)
        from.complain("filters", in_quotes(filter) + " stands there twice");
    }
  }

  static constexpr unsigned kSocketMode = 0660;
  static constexpr std::string_view kNameRule =
      "must be 1 to 64 letters, digits, dots, hyphens or underscores";

  GatewayConfig& config_;
  const LoadOptions& options_;
  std::size_t plugins_read_ = 0;
};

std::shared_ptr<const GatewayConfig> load_document(
    std::shared_ptr<const settings::Document> document, const LoadOptions& options,
    Complaints& complaints) {
  if (document == nullptr) return nullptr;
  auto config = std::make_shared<GatewayConfig>();
  config->document = std::move(document);
  config->environment = options.environment ? options.environment : settings::process_environment();
  auto checked = Loader(*config, options).load();
  complaints.append(checked->complaints);
  if (!checked->ok()) return nullptr;
  return config;
}

}  // namespace

const PluginConfig* GatewayConfig::plugin(std::string_view name) const {
  for (const PluginConfig& plugin : plugins)
    if (plugin.name == name) return &plugin;
  return nullptr;
}

std::unique_ptr<settings::Checked> GatewayConfig::check_plugin(
    const PluginConfig& plugin, const settings::Schema& schema) const {
  settings::CheckInput input{document.get(), plugin.config, plugin.position,
                             "[plugin.config] of " + plugin.name};
  return settings::check(input, schema, environment);
}

std::shared_ptr<const GatewayConfig> load_file(const std::string& path, const LoadOptions& options,
                                               Complaints& complaints) {
  return load_document(settings::parse_file(path, complaints), options, complaints);
}

std::shared_ptr<const GatewayConfig> load_text(std::string_view text, const std::string& file,
                                               const std::string& folder,
                                               const LoadOptions& options, Complaints& complaints) {
  return load_document(settings::parse_text(text, file, folder, complaints), options, complaints);
}

}  // namespace gw::config
