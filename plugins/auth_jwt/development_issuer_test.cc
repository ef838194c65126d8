// SPDX-License-Identifier: Apache-2.0
#include "development_issuer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "file.h"
#include "token_maker_test.h"
#include "verifier.h"

namespace gw::auth {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class IssuerFileTest : public ::testing::Test {
 protected:
  IssuerFileTest() {
    std::string name = ::testing::TempDir() + "auth_jwt_issuer_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/key.pem";
  }
  ~IssuerFileTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_, path_;
};

TEST_F(IssuerFileTest, MadeOnceAndThenRead) {
  auto first = DevelopmentIssuer::open(path_);
  ASSERT_NE(first.issuer, nullptr) << first.error;
  auto second = DevelopmentIssuer::open(path_);
  ASSERT_NE(second.issuer, nullptr) << second.error;
  EXPECT_EQ(first.issuer->key()->fingerprint, second.issuer->key()->fingerprint);
  auto other = DevelopmentIssuer::open(folder_ + "/other.pem");
  ASSERT_NE(other.issuer, nullptr) << other.error;
  EXPECT_NE(first.issuer->key()->fingerprint, other.issuer->key()->fingerprint);
  EXPECT_NE(first.issuer->key()->id, other.issuer->key()->id);
}

TEST_F(IssuerFileTest, VerifierAcceptsItsTokens) {
  auto opened = DevelopmentIssuer::open(path_);
  ASSERT_NE(opened.issuer, nullptr) << opened.error;
  TokenPolicy policy;
  Verifier verifier(policy);
  verifier.use(std::make_shared<const KeySet>(std::vector{opened.issuer->key()}));
  Verification seen =
      verifier.verify(opened.issuer->issue({{"sub", "alice"}, {"exp", 1000}}), 900'000);
  ASSERT_TRUE(seen.token) << seen.description;
  EXPECT_EQ(seen.token->subject(), "alice");
}

TEST_F(IssuerFileTest, OtherFilesAreRefused) {
  ASSERT_EQ(create_private_file(path_, "no key"), "");
  EXPECT_THAT(DevelopmentIssuer::open(path_).error, HasSubstr("no private RSA key"));
  EXPECT_EQ(read_private_file(path_, 100).text, "no key");  // and never overwritten
  ASSERT_EQ(
      create_private_file(folder_ + "/public.pem", testing::TestKey::shared("rsa").public_pem()),
      "");
  EXPECT_THAT(DevelopmentIssuer::open(folder_ + "/public.pem").error,
              HasSubstr("no private RSA key"));
}

}  // namespace
}  // namespace gw::auth
