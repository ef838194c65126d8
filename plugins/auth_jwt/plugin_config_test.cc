// SPDX-License-Identifier: Apache-2.0
//
// The plugin as a whole, over the fake host: its configuration and the development issuer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>

#include "plugin_fixture_test.h"

namespace gw::auth {
namespace {

using namespace testing;  // the fixture and its helpers
using ::testing::HasSubstr;

TEST_F(AuthPlugin, ComplaintsSayWhatIsWrong) {
  auto complaint = [&](const std::string& config) {
    EXPECT_FALSE(create(config)) << config;
    return auth_->complaints().empty() ? std::string() : auth_->complaints()[0];
  };
  EXPECT_THAT(complaint("algorithms = [\"none\"]"), HasSubstr("no such algorithm: \"none\""));
  EXPECT_THAT(complaint("algorithms = []"), HasSubstr("names no algorithm"));
  EXPECT_THAT(complaint("algorithms = [\"HS256\"]"), HasSubstr("need a secret_file"));
  EXPECT_THAT(complaint("secret_file = \"/nowhere\""), HasSubstr("no algorithm of the HS family"));
  EXPECT_THAT(complaint("user_id_header = \"X User\""), HasSubstr("header's name"));
  EXPECT_THAT(complaint("user_id_header = \"authorization\""), HasSubstr("the token comes in"));
  EXPECT_THAT(complaint("user_type_header = \"x-user-id\""), HasSubstr("the same header"));
  EXPECT_THAT(complaint("rules = [{ paths = [\"/a/**/b\"], access = \"public\" }]"),
              HasSubstr("/a/**/b"));
  EXPECT_THAT(complaint("rules = [{ paths = [], access = \"public\" }]"),
              HasSubstr("names no path"));
  EXPECT_THAT(complaint("rules = [{ paths = [\"/\"], access = \"public\", claim = \"a\" }]"),
              HasSubstr("access = \"token\" only"));
  EXPECT_FALSE(create("jwks_uri = \"ftp://x\"", false));
  EXPECT_FALSE(create("jwks_uri = \"\"", false));
}

TEST_F(AuthPlugin, SecretFileMustBePrivate) {
  std::string path = ::testing::TempDir() + std::to_string(::getpid()) + "auth_jwt_secret";
  FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("0123456789abcdef0123456789abcdef\n", file);
  std::fclose(file);
  std::string config = "algorithms = [\"HS256\"]\nsecret_file = \"" + path + "\"";
  ::chmod(path.c_str(), 0644);
  EXPECT_FALSE(create(config));
  EXPECT_THAT(auth_->complaints().at(0), HasSubstr("open to others"));
  ::chmod(path.c_str(), 0600);
  EXPECT_FALSE(create("algorithms = [\"HS256\", \"HS512\"]\nsecret_file = \"" + path + "\""));
  EXPECT_THAT(auth_->complaints().at(0), HasSubstr("too short for HS512"));
  start(config);
  EXPECT_TRUE(host_.calls().empty());  // no public keys are needed
  std::string text =
      encode_base64url(R"({"alg":"HS256"})") + "." + encode_base64url(R"({"sub":"alice"})");
  std::string mac = testing::hmac("SHA256", "0123456789abcdef0123456789abcdef", text);
  EXPECT_EQ(ask_token(text + "." + encode_base64url(mac))->status(), 200u);
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 401u);
  std::filesystem::remove(path);
}

class DevelopmentIssuerTest : public AuthPlugin {
 protected:
  DevelopmentIssuerTest() {
    std::string name = ::testing::TempDir() + "auth_jwt_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    config_ = "jwks_uri = \"\"\ndevelopment_issuer = true\ndevelopment_key = \"" + key() + "\"\n";
  }
  ~DevelopmentIssuerTest() override { std::filesystem::remove_all(folder_); }
  std::string key() const { return folder_ + "/run/key.pem"; }
  std::string folder_;
  std::string config_;
};

TEST_F(DevelopmentIssuerTest, ItsTokensAreAccepted) {
  start(config_, false);
  struct stat facts {};
  ASSERT_EQ(::stat(key().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_TRUE(host_.logged("THE DEVELOPMENT ISSUER IS ON"));
  EXPECT_EQ(host_.health("jwks"), GW_UP);
  auto made =
      auth_->command("token", {"--sub", "alice", "--claim", "userType=CUSTOMER", "--ttl", "1h"});
  ASSERT_EQ(made.status, 0) << made.error;
  ASSERT_TRUE(made.out.ends_with('\n'));
  std::string token = made.out.substr(0, made.out.size() - 1);
  auto exchange = ask_token(token);
  EXPECT_EQ(exchange->status(), 200u);
  EXPECT_EQ(exchange->attribute("identity.subject"), "alice");
  EXPECT_EQ(exchange->attribute("identity.type"), "CUSTOMER");
  host_.set_wall_ms((kNow + 3600 + 60) * 1000);
  EXPECT_EQ(ask_token(token)->error_code(), "EXPIRED_TOKEN");
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 401u);
}

TEST_F(DevelopmentIssuerTest, NothingIsWrittenBeforeStart) {
  ASSERT_TRUE(create(config_, false));
  EXPECT_FALSE(std::filesystem::exists(key()));
  auto made =
      auth_->command("token", {"--sub", "alice", "--issuer", "me", "--claim", "roles:=[\"A\"]"});
  ASSERT_EQ(made.status, 0) << made.error;
  EXPECT_TRUE(std::filesystem::exists(key()));
  std::size_t first = made.out.find('.');
  std::string payload = made.out.substr(first + 1, made.out.find('.', first + 1) - first - 1);
  json claims = json::parse(decode_base64url(payload).value());
  EXPECT_EQ(claims["iss"], "me");
  EXPECT_EQ(claims["roles"], json::array({"A"}));
  EXPECT_EQ(claims["exp"].get<std::int64_t>() - claims["iat"].get<std::int64_t>(), 3600);
}

TEST_F(DevelopmentIssuerTest, WrongUsage) {
  ASSERT_TRUE(create(config_, false));
  EXPECT_EQ(auth_->command("token", {}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--ttl", "soon"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--claim", "b"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--claim", "b:={"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--nonsense"}).status, 2);
  auto help = auth_->command("token", {"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("--claim"));
  EXPECT_FALSE(std::filesystem::exists(key()));
}

TEST_F(DevelopmentIssuerTest, OffByDefault) {
  ASSERT_TRUE(create());
  auto made = auth_->command("token", {"--sub", "alice"});
  EXPECT_EQ(made.status, 1);
  EXPECT_THAT(made.error, HasSubstr("development_issuer"));
}

TEST_F(DevelopmentIssuerTest, OnlyForLoopback) {
  host_.set_listeners({{"127.0.0.1:8080", true}, {"0.0.0.0:8081", false}});
  EXPECT_FALSE(create(config_, false));
  EXPECT_THAT(auth_->complaints().at(0), HasSubstr("0.0.0.0:8081"));
  EXPECT_TRUE(create(config_ + "development_force = true", false));
}

TEST_F(DevelopmentIssuerTest, KeyFileMustBePrivate) {
  ASSERT_TRUE(create(config_, false));
  ASSERT_EQ(auth_->command("token", {"--sub", "a"}).status, 0);
  ::chmod(key().c_str(), 0640);
  EXPECT_EQ(auth_->command("token", {"--sub", "a"}).status, 1);
  EXPECT_EQ(auth_->start(), GW_ERROR);
}

}  // namespace
}  // namespace gw::auth
