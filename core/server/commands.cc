// SPDX-License-Identifier: Apache-2.0
#include "server/commands.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "plugin_host/draw.h"
#include "plugin_host/host_tables.h"
#include "server/preflight.h"
#include "server/restart.h"
#include "server/supervisor.h"

namespace gw::server {

namespace {

namespace fs = std::filesystem;

// A configuration with its instances created and nothing running. Members die in reverse order:
// instances before the libraries that hold their code.
class Rehearsal {
 public:
  Rehearsal(std::shared_ptr<const config::GatewayConfig> config, base::Log log,
            settings::Complaints& complaints)
      : log_(std::move(log)) {
    host_.worker_count = config->server.workers;
    blueprint_ = plugin_host::draw(host_, libraries_, std::move(config), {}, complaints);
  }

  const std::vector<std::shared_ptr<plugin_host::Instance>>& instances() const {
    return blueprint_.instances;
  }

 private:
  base::Log log_;
  base::SystemClock clock_;
  base::MetricsRegistry metrics_;
  base::HealthRegistry health_;
  plugin_host::Host host_{log_, clock_, metrics_, health_};
  plugin_host::Libraries libraries_{log_, plugin_host::host_tables()};
  plugin_host::Blueprint blueprint_;
};

template <class Visit>
void each_command(const Rehearsal& rehearsal, Visit visit) {
  for (const auto& instance : rehearsal.instances()) {
    const gw_command_api* api = instance->commands();
    if (!GW_HAS(api, run)) continue;
    for (std::uint32_t i = 0; i < api->command_count; ++i) visit(*instance, api->commands[i]);
  }
}

void write_all(void*, std::int32_t fd, gw_str data) {
  std::ostream& out = fd == 2 ? std::cerr : std::cout;
  out.write(data.ptr, static_cast<std::streamsize>(data.len));
  out.flush();
}

void print_list(const char* title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  std::cout << title;
  for (const std::string& item : items) std::cout << " " << item;
  std::cout << "\n";
}

// As TOML writes it.
std::string shown(const settings::Node& node) {
  using Kind = settings::Node::Kind;
  std::string text;
  switch (node.kind) {
    case Kind::kString:
    case Kind::kDate:
      return nlohmann::json(node.text).dump(-1, ' ', false,
                                            nlohmann::json::error_handler_t::replace);
    case Kind::kInteger:
      return std::to_string(node.integer);
    case Kind::kFloat:
      return nlohmann::json(node.number).dump();
    case Kind::kBoolean:
      return node.boolean ? "true" : "false";
    case Kind::kArray:
      for (const settings::Node& element : node.elements)
        text += (text.empty() ? "" : ", ") + shown(element);
      return "[" + text + "]";
    case Kind::kTable:
      for (const settings::Entry& entry : node.entries)
        text += (text.empty() ? "" : ", ") + entry.key + " = " + shown(entry.value);
      return "{" + text + "}";
  }
  return text;
}

// In a child, which may die of it.
ExitCode print_whether_it_loads(const std::string& plugin) {
  constexpr std::uint32_t kMostMs = 10'000;
  constexpr int kLoads = 100, kDoesNot = 101;  // what no plugin that exits by itself says
  std::cout << std::flush;
  const auto status = run_apart(
      [&plugin] {
        plugin_host::Libraries libraries(base::Log(), plugin_host::host_tables());
        const auto library = libraries.open(plugin);
        std::cout << "loads: " << (library.ok() ? "yes" : "no: " + library.error()) << "\n"
                  << std::flush;
        return library.ok() ? kLoads : kDoesNot;
      },
      kMostMs);
  if (!status) {
    std::cout << "loads: no: it did not return within " << kMostMs << " ms\n";
  } else if (WIFSIGNALED(*status)) {
    std::cout << "loads: no: it crashed: " << signal_text(WTERMSIG(*status)) << "\n";
  } else if (const int code = WEXITSTATUS(*status); code == kLoads) {
    return kSuccess;
  } else if (code != kDoesNot) {
    std::cout << "loads: no: it ended the process with status " << code << "\n";
  }
  return kFailure;
}

void print_keys(const settings::Schema& schema, const std::string& prefix) {
  for (const settings::Key& key : schema.keys) {
    std::cout << "  " << prefix << key.name << " (" << settings::type_name(key.type) << ", "
              << (key.fallback ? "default " + shown(*key.fallback) : "required") << ") " << key.doc
              << "\n";
    print_keys(key.keys, prefix + key.name + ".");
  }
}

}  // namespace

config::LoadOptions load_options() {
  config::LoadOptions options;
  std::error_code failed;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", failed).parent_path().parent_path();
  const fs::path installed = prefix / "lib" / "gateway" / "plugins";
  options.default_plugin_path =
      (fs::is_directory(installed, failed) ? installed : prefix / "plugins").string();
  return options;
}

// Null: `complaints` says what is wrong. A plugin that crashes or hangs when it is created is found
// out in a child.
std::unique_ptr<Rehearsal> rehearse(const std::string& path, base::Log log,
                                    settings::Complaints& complaints) {
  auto config = config::load_file(path, load_options(), complaints);
  if (config == nullptr || !complaints.empty()) return nullptr;
  if (const auto failure = Preflight::try_all(path, *config)) {
    Preflight::complain(*failure, *config, complaints);
    return nullptr;
  }
  auto rehearsal = std::make_unique<Rehearsal>(std::move(config), std::move(log), complaints);
  return complaints.empty() ? std::move(rehearsal) : nullptr;
}

// The same for a terminal.
std::unique_ptr<Rehearsal> rehearse(const std::string& path) {
  settings::Complaints complaints;
  auto rehearsal = rehearse(path, base::Log::to_stderr(base::LogLevel::kError), complaints);
  std::cerr << complaints.text();
  return rehearsal;
}

ExitCode check(const std::string& config) {
  if (!rehearse(config)) return kFailure;
  std::cout << config << " is good\n";
  return kSuccess;
}

ExitCode inspect(const std::string& plugin) {
  const auto found = plugin_host::inspect(plugin);
  if (!found) {
    std::cerr << found.error() << "\n";
    return kFailure;
  }
  const settings::Manifest& manifest = found.value().manifest;
  std::cout << "id: " << manifest.id << "\nversion: " << manifest.version
            << "\nsummary: " << manifest.summary << "\nlicence: " << manifest.licence
            << "\nabi: " << (manifest.abi >> 16) << "." << (manifest.abi & 0xffff)
            << "\npinned: " << (manifest.pinned ? "yes" : "no") << "\n";
  print_list("requires:", manifest.required);
  print_list("optional:", manifest.optional);
  print_list("provides:", manifest.provided);
  print_list("attributes provided:", manifest.attributes.provides);
  print_list("attributes consumed:", manifest.attributes.consumes);
  print_list("attributes used:", manifest.attributes.uses);
  if (!manifest.config.keys.empty()) std::cout << "configuration:\n";
  print_keys(manifest.config, "");
  std::cout << "sha256: " << found.value().file.hash << "\n";

  return print_whether_it_loads(plugin);
}

int run_plugin_command(const std::string& config, const std::vector<std::string>& arguments) {
  const auto rehearsal = rehearse(config);
  if (!rehearsal) return kFailure;
  std::vector<gw_str> rest;
  for (std::size_t i = 1; i < arguments.size(); ++i)
    rest.push_back({arguments[i].data(), arguments[i].size()});
  const gw_terminal terminal = {sizeof terminal, static_cast<std::uint32_t>(rest.size()),
                                rest.data(), nullptr, write_all};
  int status = -1;
  each_command(*rehearsal, [&](const plugin_host::Instance& instance, const gw_command& command) {
    if (status < 0 && arguments[0] == command.name)
      status = instance.commands()->run(instance.raw(), command.name, &terminal) & 0xff;
  });
  if (status >= 0) return status;
  std::cerr << "gateway: no command \"" << arguments[0]
            << "\": neither the gateway nor a plugin of " << config << " has it (gateway --help)\n";
  return kUsage;
}

std::string plugin_commands_help(const std::string& config) {
  std::error_code failed;
  if (!fs::exists(config, failed)) return "";
  settings::Complaints complaints;
  const auto rehearsal = rehearse(config, base::Log(), complaints);
  if (!rehearsal) return "";
  std::string text;
  each_command(*rehearsal,
               [&text](const plugin_host::Instance& instance, const gw_command& command) {
                 std::string name = "  " + std::string(command.name);
                 name.resize(std::max<std::size_t>(name.size() + 2, 30), ' ');
                 text += name + command.summary + " (" + instance.name() + ")\n";
               });
  return text.empty() ? "" : "\nCommands of the plugins in " + config + ":\n" + text;
}

}  // namespace gw::server
