// SPDX-License-Identifier: Apache-2.0
#include "settings/checked.h"

#include <gmock/gmock.h>

#include "settings/manifest.h"

namespace gw::settings {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A document may go once it is checked: so it does here.
std::unique_ptr<Checked> check_text(std::string_view schema_text, std::string_view text) {
  Complaints complaints;
  auto manifest = parse_manifest(
      "id='t'\nversion='0.1.0'\nabi='1.0'\nlicence='MIT'\n" + std::string(schema_text), "manifest",
      complaints);
  EXPECT_TRUE(manifest) << complaints.text();
  auto document = parse_text(text, "g.toml", "/etc/gw", complaints);
  EXPECT_NE(document, nullptr) << complaints.text();
  auto environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "CAPACITY") return "200";
    if (name == "WORD") return "many";
    if (name == "KEY_SECRET") return "hunter2";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  CheckInput input{document.get(), &document->root, {}, "[plugin.config] of t"};
  return check(input, manifest->config, environment);
}

constexpr std::string_view kSchema = R"(
[config.capacity]
type = "integer"
default = 100
minimum = 1
maximum = 100000
[config.ratio]
type = "float"
default = 0.5
minimum = 0
maximum = 1
[config.on]
type = "boolean"
default = false
[config.interval]
type = "duration"
default = "10s"
minimum = 100
[config.room]
type = "size"
default = "64KiB"
[config.store]
type = "string"
default = "memory"
one_of = ["memory", "redis"]
[config.scripts]
type = "path"
default = ""
[config.urls]
type = "strings"
default = []
[config.numbers]
type = "integers"
default = []
maximum = 9
[config.api_token]
type = "integer"
default = 0
maximum = 5
[config.tls]
type = "table"
default = {}
[config.tls.keys.verify]
type = "boolean"
default = true
[config.proxy]
type = "table"
default = {}
[config.proxy.keys.host]
type = "string"
[config.rules]
type = "tables"
default = [{ path = "/a" }, { path = "/b", methods = ["GET"] }]
[config.rules.keys.path]
type = "string"
[config.rules.keys.methods]
type = "strings"
default = []
[config.labels]
type = "table"
default = {}
)";

TEST(Checked, FillsDefaults) {
  auto checked = check_text(kSchema, "");
  ASSERT_TRUE(checked->ok()) << checked->complaints.text();
  const CheckedTable& root = checked->root;
  EXPECT_EQ(root.integer("capacity"), 100);
  EXPECT_EQ(root.number("ratio"), 0.5);
  EXPECT_FALSE(root.boolean("on"));
  EXPECT_EQ(root.integer("interval"), 10000);
  EXPECT_EQ(root.integer("room"), 65536);
  EXPECT_EQ(root.string("store"), "memory");
  EXPECT_EQ(root.string("scripts"), "");
  ASSERT_NE(root.table("tls"), nullptr);
  EXPECT_TRUE(root.table("tls")->boolean("verify"));
  EXPECT_EQ(root.table("proxy"), nullptr);  // optional: it has a required key
  ASSERT_EQ(root.tables("rules").size(), 2u);
  EXPECT_THAT(root.tables("rules")[1]->strings("methods"), ElementsAre("GET"));
  EXPECT_NE(root.table("labels"), nullptr);
}

TEST(Checked, TheSchemaDecidesHowAStringIsRead) {
  auto checked = check_text(kSchema, R"(
capacity = "${CAPACITY:100}"
ratio = 1
on = "${ON:true}"
interval = "${INTERVAL:5m}"
room = "1MiB"
scripts = "lua/../lua/queue.lua"
urls = "${URLS:http://a:1/, http://b:2/}"
numbers = "${N:1,2}"
proxy = { host = "${EMPTY:x}" }
rules = [{ path = "${P:/c}" }]
[tls]
verify = false
[labels]
team = "${TEAM:shop}"
weight = 2
share = 0.5
yes = true
list = ["a", "b"]
ports = [1, 2]
none = []
[[labels.deep]]
x = "y"
)");
  ASSERT_TRUE(checked->ok()) << checked->complaints.text();
  const CheckedTable& root = checked->root;
  EXPECT_EQ(root.integer("capacity"), 200);
  EXPECT_EQ(root.number("ratio"), 1);
  EXPECT_TRUE(root.boolean("on"));
  EXPECT_EQ(root.integer("interval"), 300000);
  EXPECT_EQ(root.integer("room"), 1048576);
  EXPECT_EQ(root.string("scripts"), "/etc/gw/lua/queue.lua");
  EXPECT_THAT(root.strings("urls"), ElementsAre("http://a:1/", "http://b:2/"));
  EXPECT_THAT(root.integers("numbers"), ElementsAre(1, 2));
  EXPECT_EQ(root.table("proxy")->string("host"), "");
  EXPECT_EQ(root.tables("rules")[0]->string("path"), "/c");
  const CheckedTable* labels = root.table("labels");
  EXPECT_EQ(labels->string("team"), "shop");
  EXPECT_EQ(labels->integer("weight"), 2);
  EXPECT_EQ(labels->number("share"), 0.5);
  EXPECT_TRUE(labels->boolean("yes"));
  EXPECT_THAT(labels->strings("list"), ElementsAre("a", "b"));
  EXPECT_THAT(labels->integers("ports"), ElementsAre(1, 2));
  EXPECT_TRUE(labels->has("none"));
  EXPECT_EQ(labels->tables("deep")[0]->string("x"), "y");
}

TEST(Checked, ComplainsAboutEverythingAtOnce) {
  auto checked = check_text(kSchema, R"(capacty = 5
capacity = "${WORD:1}"
ratio = 1.5
on = 1
interval = 50
room = "1KB"
store = "redi"
urls = ["a", 5]
numbers = [1, 10, "x"]
proxy = {}
rules = [{ pth = "/a" }, 7]
tls = "no"
scripts = "${UNSET}"
)");
  EXPECT_THAT(
      checked->complaints.lines(),
      ::testing::UnorderedElementsAre(
          "g.toml:1:1: unknown key \"capacty\" in [plugin.config] of t; did you mean "
          "\"capacity\"?",
          "g.toml:2:12: \"capacity\" must be an integer, not the string \"many\"",
          "g.toml:3:9: \"ratio\" is 1.5; it must be at most 1",
          "g.toml:4:6: \"on\" must be true or false, not an integer",
          "g.toml:5:12: \"interval\" is 50; it must be at least 100 (milliseconds)",
          "g.toml:6:8: \"room\" must be a size, such as 4096, \"16KiB\", \"1MiB\" or \"1GiB\", "
          "not the string \"1KB\"",
          "g.toml:7:9: \"store\" is \"redi\"; it must be one of \"memory\", \"redis\"; did you "
          "mean \"redis\"?",
          "g.toml:8:14: an element of \"urls\" must be a string, not an integer",
          "g.toml:9:15: \"numbers\" is 10; it must be at most 9",
          "g.toml:9:19: an element of \"numbers\" must be an integer, not the string \"x\"",
          "g.toml:10:9: \"host\" is missing in [plugin.config.proxy] of t",
          "g.toml:11:10: \"path\" is missing in [plugin.config.rules] of t",
          "g.toml:11:12: unknown key \"pth\" in [plugin.config.rules] of t; did you mean "
          "\"path\"?",
          "g.toml:11:26: an element of \"rules\" must be a table, not an integer",
          "g.toml:12:7: \"tls\" must be a table, not the string \"no\"",
          "g.toml:13:11: \"scripts\": the environment variable UNSET is not set, and there is no "
          "default (${UNSET:default})"));
}

TEST(Checked, NeverShowsASecret) {
  for (const char* text : {"api_token = 'hunter2'", "api_token = '${KEY_SECRET}'", "api_token = 7",
                           "api_token = '6'"}) {
    auto checked = check_text(kSchema, text);
    ASSERT_FALSE(checked->ok());
    EXPECT_THAT(checked->complaints.text(), HasSubstr("\"api_token\""));
    EXPECT_THAT(checked->complaints.text(), Not(HasSubstr("hunter2")));
    EXPECT_THAT(checked->complaints.text(), Not(HasSubstr("7")));
    EXPECT_THAT(checked->complaints.text(), Not(HasSubstr("6")));
  }
}

TEST(Checked, OddValues) {
  const std::pair<const char*, const char*> cases[] = {
      {"ratio = nan", "finite"},
      {"ratio = inf", "finite"},
      {"interval = -1", "cannot be negative"},
      {"interval = 1.5", "must be a duration"},
      {"room = -4096", "cannot be negative"},
      {"capacity = 1.0", "must be an integer, not a float"},
      {"capacity = 2024-01-01", "not a date or time"},
      {"scripts = \"a\\u0000b\"", "NUL"},
      {"scripts = 5", "must be a path"},
      {"store = ['memory']", "must be a string, not an array"},
      {"urls = {}", "must be an array of strings, not a table"},
      {"[labels]\nx = [1, 'a']", "neither strings nor integers nor tables"},
      {"[labels]\nx = [[1]]", "neither strings nor integers nor tables"},
      {"[labels]\nx = 2024-01-01", "no use here"},
      {"[rules]\npath = '/a'", "must be an array of tables, not a table"},
  };
  for (const auto& [text, expected] : cases) {
    auto checked = check_text(kSchema, text);
    EXPECT_THAT(checked->complaints.text(), HasSubstr(expected)) << text;
    EXPECT_EQ(checked->complaints.lines().size(), 1u) << checked->complaints.text();
  }
}

TEST(Checked, DefaultsMayHoldPlaceholders) {
  const char* schema =
      "[config.uri]\ntype='string'\ndefault='${URI:http://x}'\n"
      "[config.n]\ntype='integer'\ndefault='${WORD}'\n";
  auto checked = check_text(schema, "# nothing\n");
  EXPECT_EQ(checked->root.string("uri"), "http://x");
  EXPECT_THAT(checked->complaints.lines(),
              ElementsAre(HasSubstr("\"n\" must be an integer, not the string \"many\"")));
}

TEST(Checked, MissingTableStandsWhereItIsSaid) {
  Complaints complaints;
  auto document = parse_text("[[plugin]]\nname = 'a'\n", "g.toml", "/", complaints);
  Schema schema;
  schema.keys.push_back({"key", Type::kString, "", {}, {}, {}, {}, {}, true});
  auto checked = check({document.get(), nullptr, {1, 3}, "[plugin.config] of a"}, schema, {});
  EXPECT_THAT(checked->complaints.lines(),
              ElementsAre("g.toml:1:3: \"key\" is missing in [plugin.config] of a"));
}

TEST(ConfigTable, ServesTheAbi) {
  auto checked = check_text(kSchema,
                            "capacity = 7\nurls = ['a', 'b']\nnumbers = [4]\n"
                            "interval = '2s'\nscripts = 'x'\n[labels]\nz = 1\ny = 2\n");
  ASSERT_TRUE(checked->ok()) << checked->complaints.text();
  const gw_config_api* api = config_table();
  const gw_config* table = checked->root.abi();
  EXPECT_EQ(api->struct_size, sizeof(gw_config_api));
  gw_str text{};
  std::int64_t integer = 0;
  double number = 0;
  std::int32_t boolean = 9;
  const gw_config* inner = nullptr;
  auto view = [&] { return std::string_view(text.ptr, text.len); };
  EXPECT_EQ(api->get_string(table, "store", &text), GW_OK);
  EXPECT_EQ(view(), "memory");
  EXPECT_EQ(api->get_string(table, "scripts", &text), GW_OK);
  EXPECT_EQ(view(), "/etc/gw/x");
  EXPECT_EQ(api->get_string(table, "capacity", &text), GW_NOT_FOUND);
  EXPECT_EQ(api->get_string(table, "nothing", &text), GW_NOT_FOUND);
  EXPECT_EQ(api->get_integer(table, "capacity", &integer), GW_OK);
  EXPECT_EQ(integer, 7);
  EXPECT_EQ(api->get_integer(table, "interval", &integer), GW_OK);
  EXPECT_EQ(integer, 2000);
  EXPECT_EQ(api->get_integer(table, "ratio", &integer), GW_NOT_FOUND);
  EXPECT_EQ(api->get_float(table, "ratio", &number), GW_OK);
  EXPECT_EQ(number, 0.5);
  EXPECT_EQ(api->get_boolean(table, "on", &boolean), GW_OK);
  EXPECT_EQ(boolean, 0);
  EXPECT_EQ(api->string_at(table, "urls", 1, &text), GW_OK);
  EXPECT_EQ(view(), "b");
  EXPECT_EQ(api->string_at(table, "urls", 2, &text), GW_NOT_FOUND);
  EXPECT_EQ(api->integer_at(table, "numbers", 0, &integer), GW_OK);
  EXPECT_EQ(api->integer_at(table, "numbers", 1, &integer), GW_NOT_FOUND);
  EXPECT_EQ(api->table_at(table, "rules", 1, &inner), GW_OK);
  EXPECT_EQ(api->string_at(inner, "methods", 0, &text), GW_OK);
  EXPECT_EQ(view(), "GET");
  EXPECT_EQ(api->table_at(table, "rules", 2, &inner), GW_NOT_FOUND);
  EXPECT_EQ(api->table_at(table, "tls", 0, &inner), GW_NOT_FOUND);
  EXPECT_EQ(api->get_table(table, "rules", &inner), GW_NOT_FOUND);
  EXPECT_EQ(api->get_table(table, "proxy", &inner), GW_NOT_FOUND);
  EXPECT_EQ(api->get_table(table, "labels", &inner), GW_OK);
  EXPECT_EQ(api->key_at(inner, 0, &text), GW_OK);
  EXPECT_EQ(view(), "z");  // in the order of the text
  EXPECT_EQ(api->key_at(inner, 2, &text), GW_NOT_FOUND);
  EXPECT_EQ(api->get_string(nullptr, "store", &text), GW_NOT_FOUND);
  EXPECT_EQ(api->get_string(table, nullptr, &text), GW_NOT_FOUND);

  std::string_view message = "must be prime";
  api->complain(table, "capacity", {message.data(), message.size()});
  api->complain(inner, nullptr, {message.data(), message.size()});
  api->complain(table, "store", {message.data(), message.size()});
  EXPECT_FALSE(checked->ok());
  EXPECT_THAT(checked->complaints.lines(),
              ElementsAre("g.toml:1:1: \"capacity\": must be prime", "g.toml:6:1: must be prime",
                          HasSubstr("\"store\": must be prime")));
}

}  // namespace
}  // namespace gw::settings
