// SPDX-License-Identifier: Apache-2.0
//
// gateway-plugin-check: tries a plugin as gateways will, each check in a process of its own.
// Exit status: 0 all is well, 1 something is wrong, 2 the command line is.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "check/trial.h"

int main(int argc, char** argv) {
  using namespace gw::check;
  CLI::App app(
      "Tries a plugin over a fake host: metadata, interfaces, life cycle, bodies in "
      "pieces, clients that leave, reloads, leaks.",
      "gateway-plugin-check");
  Subject subject;
  std::string config;
  std::uint32_t limit_s = 60;
  std::vector<std::string> only;
  app.add_option("PLUGIN", subject.file, "The plugin's file")->required();
  app.add_option("--config", config, "A file with the keys of its [plugin.config], as TOML");
  app.add_option("--reloads", subject.reloads, "How many")->capture_default_str();
  app.add_option("--replay", subject.recordings, "Recorded exchanges ([[plugin]] record)");
  app.add_option("--limit", limit_s, "Seconds that one check may take")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  app.add_option("--only", only, "Names of checks");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (subject.file.find('/') == std::string::npos) subject.file = "./" + subject.file;
  if (!config.empty()) {
    std::ifstream file(config);
    if (!file) {
      std::fprintf(stderr, "%s: cannot be read\n", config.c_str());
      return 2;
    }
    subject.config.assign(std::istreambuf_iterator<char>(file), {});
  }
  for (const std::string& name : only)
    if (std::none_of(all_checks().begin(), all_checks().end(),
                     [&](const Check& check) { return check.name == name; })) {
      std::fprintf(stderr, "there is no check %s\n", name.c_str());
      return 2;
    }

  std::size_t failed = 0, at = 0;
  for (const Check& check : all_checks()) {
    ++at;
    if (!only.empty() && std::find(only.begin(), only.end(), check.name) == only.end()) continue;
    const Verdict verdict = try_out(check, subject, limit_s * 1000);
    std::printf("%-5s %-14s %s%s%s\n", verdict.good ? "ok" : "WRONG", check.name, check.what,
                verdict.text.empty() ? "" : ": ", verdict.text.c_str());
    std::fflush(stdout);
    if (verdict.good) continue;
    ++failed;
    if (at <= kVital) break;  // the rest would say the same
  }
  return failed == 0 ? 0 : 1;
}
