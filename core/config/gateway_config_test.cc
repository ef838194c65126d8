// SPDX-License-Identifier: Apache-2.0
#include "config/gateway_config.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace gw::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LoadOptions options() {
  LoadOptions out;
  out.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "REDIS_PW") return "hunter2";
    return std::nullopt;
  };
  out.default_plugin_path = "/opt/gateway/plugins";
  out.cores = 6;
  return out;
}

std::shared_ptr<const GatewayConfig> load(std::string_view text, settings::Complaints& complaints) {
  auto config = load_text(text, "gateway.toml", "/etc/gw", options(), complaints);
  EXPECT_EQ(config == nullptr, !complaints.empty()) << complaints.text();
  return config;
}

std::shared_ptr<const GatewayConfig> load(std::string_view text) {
  settings::Complaints complaints;
  auto config = load(text, complaints);
  EXPECT_TRUE(complaints.empty()) << complaints.text();
  return config;
}

std::vector<std::string> complaints_about(std::string_view text) {
  settings::Complaints complaints;
  load(text, complaints);
  return complaints.lines();
}

constexpr const char* kSmallest = R"(
[server]
listen = ["127.0.0.1:${SERVER_PORT:8080}"]
[[plugin]]
name = "echo"
file = "echo.so"
[[pipeline]]
filters = ["echo"]
)";

TEST(GatewayConfig, Defaults) {
  auto config = load(kSmallest);
  ASSERT_NE(config, nullptr);
  const ServerConfig& server = config->server;
  EXPECT_EQ(server.workers, 6u);
  EXPECT_THAT(server.plugin_path, ElementsAre("/opt/gateway/plugins"));
  EXPECT_EQ(server.header_timeout_ms, 10000u);
  EXPECT_EQ(server.idle_timeout_ms, 75000u);
  EXPECT_EQ(server.max_header_count, 100u);
  EXPECT_EQ(server.max_header_bytes, 16384u);
  EXPECT_EQ(server.max_target_bytes, 8192u);
  EXPECT_EQ(server.max_body_bytes, 10u << 20);
  EXPECT_EQ(server.max_connections, 0u);
  EXPECT_EQ(server.response_timeout_ms, 60000u);
  EXPECT_EQ(server.max_stream_unsent_bytes, 65536u);
  EXPECT_TRUE(server.trusted_proxies.empty());
  EXPECT_TRUE(server.request_id);
  EXPECT_TRUE(server.forwarded);
  EXPECT_EQ(server.log_level, base::LogLevel::kInfo);
  EXPECT_THAT(config->messages.languages(), ElementsAre("ko"));
  ASSERT_EQ(config->listeners.size(), 1u);
  EXPECT_EQ(config->listeners[0].name, "main");
  EXPECT_EQ(config->listeners[0].address.text, "127.0.0.1:8080");
  ASSERT_EQ(config->pipelines.size(), 1u);
  EXPECT_THAT(config->pipelines[0].paths, IsEmpty());
  EXPECT_EQ(config->plugins[0].config, nullptr);
}

TEST(GatewayConfig, DefaultResponseHeadersAreSpringSecuritys) {
  auto config = load(kSmallest);
  const auto& groups = config->server.response_headers;
  ASSERT_EQ(groups.size(), 6u);
  EXPECT_THAT(groups[0].skip_status, ElementsAre(304));
  EXPECT_EQ(groups[0].set[0].first, "Cache-Control");
  EXPECT_EQ(groups[0].set[0].second, "no-cache, no-store, max-age=0, must-revalidate");
  EXPECT_EQ(groups[2].set[0].second, "DENY");
  EXPECT_FALSE(groups[4].https_only);
  EXPECT_TRUE(groups[5].https_only);
}

TEST(GatewayConfig, EverythingCanBeSaid) {
  auto config = load(R"(
[server]
listen = "127.0.0.1:1, [::1]:2"
workers = 3
plugin_path = ["plugins", "/usr/lib/gateway"]
header_timeout = "5s"
max_body_bytes = "1GiB"
trusted_proxies = ["10.0.0.0/8", "::1", "unix"]
underscore_headers = "refuse"
request_id = false
forwarded = false
log_level = "debug"
[[server.response_headers]]
set = { X-Shop = "${SHOP:tickets}", X-Other = "1" }
skip_status = [304]
https_only = true
[[listener]]
name = "admin"
address = "unix:run/admin.sock"
mode = "0600"
[[listener]]
name = "proxied"
address = "127.0.0.1:3"
proxy_protocol = true
max_connections = 7
[[plugin]]
name = "a"
file = "a.so"
[plugin.config]
anything.goes = [1, { x = 2 }]
[[pipeline]]
match = { paths = ["/api/**", "/health"], host = "Shop.Example", listener = "admin" }
filters = ["a"]
)");
  ASSERT_NE(config, nullptr);
  const ServerConfig& server = config->server;
  EXPECT_EQ(server.workers, 3u);
  EXPECT_THAT(server.plugin_path, ElementsAre("/etc/gw/plugins", "/usr/lib/gateway"));
  EXPECT_EQ(server.header_timeout_ms, 5000u);
  EXPECT_EQ(server.max_body_bytes, 1u << 30);
  EXPECT_TRUE(server.trusted_proxies.contains("10.1.2.3"));
  EXPECT_TRUE(server.trusted_proxies.contains("unix"));
  EXPECT_FALSE(server.trusted_proxies.contains("192.168.0.1"));
  EXPECT_EQ(server.underscore_headers, UnderscoreHeaders::kRefuse);
  EXPECT_FALSE(server.request_id);
  EXPECT_FALSE(server.forwarded);
  ASSERT_EQ(server.response_headers.size(), 1u);
  EXPECT_THAT(server.response_headers[0].set,
              ElementsAre(std::pair<std::string, std::string>("X-Shop", "tickets"),
                          std::pair<std::string, std::string>("X-Other", "1")));
  EXPECT_TRUE(server.response_headers[0].https_only);
  ASSERT_EQ(config->listeners.size(), 4u);
  EXPECT_EQ(config->listeners[1].address.text, "[::1]:2");
  EXPECT_EQ(config->listeners[1].name, "main");
  EXPECT_EQ(config->listeners[2].address.path, "/etc/gw/run/admin.sock");
  EXPECT_EQ(config->listeners[2].mode, 0600u);
  EXPECT_TRUE(config->listeners[3].proxy_protocol);
  EXPECT_EQ(config->listeners[3].max_connections, 7u);
  EXPECT_EQ(config->listeners[3].mode, 0660u);
  EXPECT_NE(config->plugin("a")->config, nullptr);
  EXPECT_EQ(config->plugin("b"), nullptr);
  const PipelineConfig& pipeline = config->pipelines[0];
  EXPECT_THAT(pipeline.paths, ElementsAre("/api/**", "/health"));
  EXPECT_EQ(pipeline.host, "shop.example");
  EXPECT_EQ(pipeline.listener, "admin");
}

TEST(GatewayConfig, NoResponseHeadersAtAll) {
  std::string text = kSmallest;
  text.insert(text.find("[[plugin]]"), "response_headers = []\n");
  EXPECT_THAT(load(text)->server.response_headers, IsEmpty());
}

TEST(GatewayConfig, AFilesModeIsOctal) {
  for (const char* mode : {"", "0o600", "688", "01777", "rw", "-1", "600 "}) {
    const auto complaints = complaints_about(
        std::string("[[listener]]\nname = \"a\"\naddress = \"unix:x\"\nmode = \"") + mode + R"("
[[plugin]]
name = "a"
file = "a.so"
[[pipeline]]
filters = ["a"]
)");
    EXPECT_THAT(complaints, ElementsAre(HasSubstr("4:1: \"mode\": must be a file's permissions")))
        << mode;
  }
}

TEST(GatewayConfig, ComplainsAboutEverythingAtOnce) {
  EXPECT_THAT(
      complaints_about(R"([server]
listen = ["127.0.0.1:80", "127.0.0.1:80", "shop:80"]
workrs = 2
trusted_proxies = ["10.0.0.1/8"]
languages = ["ko", "ko"]
max_header_bytes = "1KiB"
[[listener]]
name = "main"
address = "unix:x"
[[plugin]]
name = "auth"
file = ""
[[plugin]]
name = "auth"
file = "b.so"
config = 5
[[plugin]]
name = "a b"
file = "c.so"
path = "x"
[[pipeline]]
match = { path = "api", listener = "mian", host = "a:80" }
filters = ["auht", "auth", "auth"]
[[pipeline]]
filters = []
[[pipelines]]
)"),
      ::testing::UnorderedElementsAre(
          HasSubstr("gateway.toml:3:1: unknown key \"workrs\" in [server]; did you "
                    "mean \"workers\"?"),
          HasSubstr("127.0.0.1:80 is listened on twice"),
          HasSubstr("\"shop:80\" is not a numeric address"),
          HasSubstr("gateway.toml:4:1: \"trusted_proxies\": \"10.0.0.1/8\" has bits set"),
          HasSubstr("names a language twice"),
          HasSubstr("\"max_target_bytes\": must not be above max_header_bytes"),
          HasSubstr("gateway.toml:8:1: \"name\": there is another listener \"main\""),
          HasSubstr("gateway.toml:12:1: \"file\": names no plugin"),
          HasSubstr("gateway.toml:14:1: \"name\": there is another plugin \"auth\""),
          HasSubstr("the `config` of \"auth\" must be a table"),
          HasSubstr("gateway.toml:18:1: \"name\": must be 1 to 64"),
          HasSubstr("unknown key \"path\" in [plugin]"),
          HasSubstr("\"path\": \"api\" does not start with a slash"),
          HasSubstr("there is no listener \"mian\"; did you mean \"main\"?"),
          HasSubstr("is a name without a port"),
          HasSubstr("there is no [[plugin]] named \"auht\"; did you mean \"auth\"?"),
          HasSubstr("\"auth\" stands there twice"), HasSubstr("\"filters\": names no plugin"),
          HasSubstr("unknown key \"pipelines\" in gateway.toml; did you mean \"pipeline\"?")));
}

TEST(GatewayConfig, SmallThingsThatAreWrong) {
  const std::string rest = "[[plugin]]\nname='a'\nfile='a.so'\n[[pipeline]]\nfilters=['a']\n";
  const std::pair<std::string, const char*> cases[] = {
      {rest, "nothing to listen on"},
      {"[server]\nlisten=['*:1']\n", "there is no [[pipeline]]"},
      {"server = 5\n" + rest, "must be a table"},
      {"[server]\nlisten=['*:1']\nworkers=-1\n" + rest, "at least 0"},
      {"[server]\nlisten=['*:1']\nheader_timeout='0s'\n" + rest, "at least 1"},
      {"[server]\nlisten=['*:1']\nidle_timeout='200h'\n" + rest, "at most 86400000"},
      {"[server]\nlisten=['*:1']\nlog_level='warning'\n" + rest, "did you mean \"warn\"?"},
      {"[server]\nlisten=['*:1']\nlanguages=[]\n" + rest, "names no language"},
      {"[server]\nlisten=['*:1']\nlanguages=['ko','en']\n" + rest,
       "gateway.toml:3:1: \"languages\": the language en needs a catalogue"},
      {"[server]\nlisten=['8080']\n" + rest,
       "gateway.toml:2:1: \"listen\": \"8080\" has no port: write \"127.0.0.1:8080\""},
      {"[server]\nlisten=[':8080']\n" + rest, "names no address before the port: write"},
      {"[server]\nlisten=['*:1']\nplugin_path=['']\n" + rest, "empty path"},
      {"[server]\nlisten=['*:1']\n[[server.response_headers]]\nset={}\n" + rest, "no header"},
      {"[server]\nlisten=['*:1']\n[[server.response_headers]]\nset={'a b'='x'}\n" + rest,
       "is not a header name"},
      {"[server]\nlisten=['*:1']\n[[server.response_headers]]\nset={a=\"x\\r\\nb: y\"}\n" + rest,
       "is not a header name"},
      {"[server]\nlisten=['*:1']\n[[server.response_headers]]\nset={Content-Length='5'}\n" + rest,
       "written by the gateway"},
      {"[server]\nlisten=['*:1']\n[[server.response_headers]]\nset={a=5}\n" + rest,
       "must be a string"},
      {"[server]\nlisten=['*:1']\n[[listener]]\nname='x'\n" + rest, "\"address\" is missing"},
      {"[server]\nlisten=['*:1']\n[[plugin]]\nname='b'\n" + rest, "\"file\" is missing"},
      {"[server]\nlisten=['${NOPE}']\n" + rest, "NOPE is not set"},
      {"plugin = [5]\n[server]\nlisten=['*:1']\n[[pipeline]]\nfilters=['a']", "must be a table"},
      {"[server]\nlisten=['*:1']\n[[plugin]]\nname='a'\nfile='a.so'\n[[pipeline]]\n",
       "\"filters\" is missing"},
  };
  for (const auto& [text, expected] : cases) {
    settings::Complaints complaints;
    EXPECT_EQ(load(text, complaints), nullptr);
    EXPECT_THAT(complaints.text(), HasSubstr(expected)) << text;
  }
}

TEST(GatewayConfig, PluginConfigIsCheckedLater) {
  auto config = load(std::string(kSmallest) +
                     "[[plugin]]\nname='q'\nfile='q.so'\n"
                     "[plugin.config]\ncapacty = 5\n");
  settings::Schema schema;
  settings::Key capacity;
  capacity.name = "capacity";
  capacity.type = settings::Type::kInteger;
  schema.keys.push_back(capacity);
  EXPECT_THAT(config->check_plugin(*config->plugin("q"), schema)->complaints.lines(),
              ElementsAre("gateway.toml:12:1: \"capacity\" is missing in [plugin.config] of q",
                          "gateway.toml:13:1: unknown key \"capacty\" in [plugin.config] of q; "
                          "did you mean \"capacity\"?"));
  EXPECT_THAT(config->check_plugin(*config->plugin("echo"), schema)->complaints.lines(),
              ElementsAre("gateway.toml:4:1: \"capacity\" is missing in [plugin.config] of echo"));
}

TEST(GatewayConfig, FingerprintFollowsTheMeaning) {
  auto fingerprint = [](const std::string& config) {
    auto loaded = load(std::string(kSmallest) + "[[plugin]]\nname='q'\nfile='q.so'\n" + config);
    return loaded->plugin("q")->fingerprint;
  };
  std::string base = fingerprint("[plugin.config]\npassword = '${REDIS_PW}'\nn = [1, 2]\n");
  EXPECT_EQ(base, fingerprint("[plugin.config] # new words\n\npassword='hunter2'\nn=[ 1,2 ]\n"));
  for (const char* other :
       {"", "[plugin.config]\n", "[plugin.config]\npassword = 'x'\nn = [1, 2]\n",
        "[plugin.config]\npassword = 'hunter2'\nn = [1, 3]\n",
        "[plugin.config]\npassword = 'hunter2'\nn = [1.0, 2]\n",
        "[plugin.config]\npassword = 'hunter2'\nn = ['1', 2]\n",
        "[plugin.config]\npassword = 'hunter2'\nn = [1, 2]\nm = true\n"})
    EXPECT_NE(base, fingerprint(other)) << other;
}

TEST(GatewayConfig, ReadsAFile) {
  auto folder = std::filesystem::temp_directory_path() / "gw_gateway_config_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "gateway.toml")
      << kSmallest << "[[listener]]\nname='s'\naddress='unix:s.sock'\n";
  settings::Complaints complaints;
  auto config = load_file(folder / "gateway.toml", options(), complaints);
  ASSERT_NE(config, nullptr) << complaints.text();
  EXPECT_EQ(config->listeners[1].address.path, (folder / "s.sock").string());
  EXPECT_EQ(load_file(folder / "none.toml", options(), complaints), nullptr);
  EXPECT_EQ(complaints.lines().size(), 1u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace gw::config
