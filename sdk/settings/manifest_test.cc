// SPDX-License-Identifier: Apache-2.0
#include "settings/manifest.h"

#include <gateway/plugin.h>
#include <gmock/gmock.h>

namespace gw::settings {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kGood = R"(
id = "auth_jwt"
version = "1.2.0-rc.1+build.7"
abi = "1.0"
licence = "Apache-2.0"
summary = "Verifies bearer tokens"
requires = ["gw.exchange/1"]
optional = ["gw.health/1"]
provides = ["gw.instance/1", "gw.filter/1"]
[attributes]
provides = ["identity.subject"]
consumes = ["client.address"]
uses = ["route.id"]
[config.jwks_uri]
type = "string"
default = "${JWT_JWKS_URI}"
doc = "Where the keys are fetched."
[config.algorithms]
type = "strings"
default = ["RS256"]
one_of = ["RS256", "ES256"]
[config.skew]
type = "duration"
default = "60s"
minimum = 0
maximum = "10m"
[config.body]
type = "size"
maximum = "1MiB"
[config.rules]
type = "tables"
default = []
[config.rules.keys.path]
type = "string"
[config.rules.keys.inner]
type = "table"
default = {}
[config.rules.keys.inner.keys.weight]
type = "float"
minimum = 0.5
[config.free]
type = "table"
default = { a = 1 }
)";

std::string complaint_about(std::string_view text) {
  Complaints complaints;
  auto manifest = parse_manifest(text, "x.so manifest", complaints);
  EXPECT_EQ(manifest.has_value(), complaints.empty());
  return complaints.text();
}

TEST(Manifest, IsRead) {
  Complaints complaints;
  auto manifest = parse_manifest(kGood, "x.so", complaints);
  ASSERT_TRUE(manifest) << complaints.text();
  EXPECT_EQ(manifest->id, "auth_jwt");
  EXPECT_EQ(manifest->version, "1.2.0-rc.1+build.7");
  EXPECT_EQ(manifest->abi, GW_ABI);
  EXPECT_FALSE(manifest->pinned);
  EXPECT_THAT(manifest->required, ElementsAre("gw.exchange/1"));
  EXPECT_THAT(manifest->attributes.consumes, ElementsAre("client.address"));
  EXPECT_TRUE(manifest->provides("gw.filter/1"));
  EXPECT_FALSE(manifest->provides("gw.router/1"));
  const Schema& config = manifest->config;
  ASSERT_EQ(config.keys.size(), 6u);
  EXPECT_EQ(config.find("skew")->type, Type::kDuration);
  EXPECT_EQ(config.find("skew")->maximum, 600000);
  EXPECT_FALSE(config.find("body")->fallback);
  EXPECT_EQ(config.find("jwks_uri")->fallback->text, "${JWT_JWKS_URI}");
  EXPECT_EQ(config.find("jwks_uri")->doc, "Where the keys are fetched.");
  EXPECT_FALSE(config.find("rules")->free);
  EXPECT_EQ(config.find("rules")->keys.find("inner")->keys.find("weight")->minimum, 0.5L);
  EXPECT_TRUE(config.find("free")->free);
}

TEST(Manifest, SmallestOne) {
  EXPECT_EQ(complaint_about("id='a'\nversion='0.1.0'\nabi='1.0'\nlicence='MIT'"), "");
}

TEST(Manifest, SaysWhatIsWrong) {
  const std::string head = "version='0.1.0'\nabi='1.0'\nlicence='MIT'\n";
  const std::pair<std::string, const char*> cases[] = {
      {"", "\"id\" is missing in the manifest"},
      {"id = ", "x.so manifest:1:"},
      {head + "id='A'", "must be of the form"},
      {head + "id='1a'", "must be of the form"},
      {head + "id=''", "must be of the form"},
      {"id='a'\nversion='1.0'\nabi='1.0'\nlicence='MIT'", "semantic version"},
      {"id='a'\nversion='01.0.0'\nabi='1.0'\nlicence='MIT'", "semantic version"},
      {"id='a'\nversion='1.0.0-'\nabi='1.0'\nlicence='MIT'", "semantic version"},
      {"id='a'\nversion='1.0.0-01'\nabi='1.0'\nlicence='MIT'", "semantic version"},
      {"id='a'\nversion='1.0.0'\nabi='1'\nlicence='MIT'", "major.minor"},
      {"id='a'\nversion='1.0.0'\nabi='99999.0'\nlicence='MIT'", "major.minor"},
      {head + "id='a'\nrequire=[]", "did you mean \"requires\"?"},
      {head + "id='a'\nrequires=['gw.timer']", "not like \"gw.timer/1\""},
      {head + "id='a'\nrequires=['gw.timer/01']", "not like \"gw.timer/1\""},
      {head + "id='a'\n[attributes]\nuses=['A.b']", "not like \"identity.subject\""},
      {head + "id='a'\n[attributes]\nuse=['a.b']", "did you mean \"uses\"?"},
      {head + "id='a'\nconfig=1", "config must be a table"},
      {head + "id='a'\n[config]\nx=1", "config.x must be a table"},
      {head + "id='a'\n[config.x]\ndoc=''", "config.x has no `type`"},
      {head + "id='a'\n[config.x]\ntype='strin'", "did you mean \"string\"?"},
      {head + "id='a'\n[config.x]\ntype='string'\ndefalt=''", "did you mean \"default\"?"},
      {head + "id='a'\n[config.x]\ntype='integer'\ndefault='x'", "must be an integer"},
      {head + "id='a'\n[config.x]\ntype='integer'\ndefault=5\nmaximum=4", "at most 4"},
      {head + "id='a'\n[config.x]\ntype='string'\nminimum=4", "does not fit"},
      {head + "id='a'\n[config.x]\ntype='integer'\nminimum='1s'", "does not fit"},
      {head + "id='a'\n[config.x]\ntype='integer'\none_of=['1']", "one_of must be strings"},
      {head + "id='a'\n[config.x]\ntype='string'\none_of=[1]", "one_of must be strings"},
      {head + "id='a'\n[config.x]\ntype='string'\none_of=['a']\ndefault='b'", "one of \"a\""},
      {head + "id='a'\n[config.x]\ntype='string'\n[config.x.keys.y]\ntype='string'",
       "only a table"},
      {head + "id='a'\nsummary=\"" + std::string(kMaxManifestBytes, 'x') + "\"", "longer than"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(complaint_about(text), HasSubstr(expected)) << text.substr(0, 200);
}

TEST(Manifest, BoundsTheDepthOfKeys) {
  std::string text = "id='a'\nversion='0.1.0'\nabi='1.0'\nlicence='MIT'\n";
  std::string path = "config.x";
  for (int i = 0; i < 12; ++i) {
    text += "[" + path + "]\ntype='table'\n";
    path += ".keys.x";
  }
  EXPECT_THAT(complaint_about(text), HasSubstr("too deep"));
}

}  // namespace
}  // namespace gw::settings
