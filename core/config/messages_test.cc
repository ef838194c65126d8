// SPDX-License-Identifier: Apache-2.0
#include "config/messages.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace gw::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MessagesTest : public ::testing::Test {
 protected:
  MessagesTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("gw_messages_test_" +
               std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_);
  }
  ~MessagesTest() override { std::filesystem::remove_all(folder_); }

  void write(const char* name, std::string_view text) { std::ofstream(folder_ / name) << text; }

  std::filesystem::path folder_;
  settings::Complaints complaints_;
};

TEST_F(MessagesTest, KoreanIsBuiltIn) {
  Messages messages;
  EXPECT_EQ(messages.text("USER_ID_REQUIRED", "ko", ""), "로그인이 필요합니다.");
  EXPECT_EQ(messages.text("NOT_IN_QUEUE", "ko", ""), "대기열에 등록되지 않은 사용자입니다.");
  EXPECT_EQ(messages.text("NOT_FOUND", "ko", "무효화할 입장 토큰이 없습니다."),
            "무효화할 입장 토큰이 없습니다.");
  EXPECT_EQ(messages.text("OF_A_PLUGIN", "ko", "words"), "words");
  EXPECT_EQ(messages.text("OF_A_PLUGIN", "ko", ""), "");
  EXPECT_EQ(messages.choose("en"), "ko");  // one language: the header does not count
}

TEST_F(MessagesTest, EveryCodeOfTheEnvelopeHasAText) {
  Messages messages;
  for (const char* code :
       {"BAD_REQUEST",           "VALIDATION_ERROR",   "USER_ID_REQUIRED",
        "INVALID_TOKEN",         "EXPIRED_TOKEN",      "FORBIDDEN",
        "ACCESS_DENIED",         "NOT_IN_QUEUE",       "NOT_FOUND",
        "ENDPOINT_NOT_FOUND",    "USER_ID_NOT_FOUND",  "METHOD_NOT_ALLOWED",
        "PAYLOAD_TOO_LARGE",     "TOO_MANY_REQUESTS",  "REQUEST_HEADER_FIELDS_TOO_LARGE",
        "INTERNAL_SERVER_ERROR", "EXTERNAL_API_ERROR", "SERVICE_UNAVAILABLE",
        "CIRCUIT_BREAKER_OPEN",  "RETRY_EXHAUSTED",    "EXTERNAL_API_TIMEOUT"})
    EXPECT_NE(messages.text(code, "ko", ""), "") << code;
}

TEST_F(MessagesTest, FilesAddLanguages) {
  write("en.toml", "NOT_FOUND = \"Not found.\"\nqueue.waiting = \"Waiting.\"\n");
  Messages messages({"ko", "en"}, folder_, complaints_);
  ASSERT_TRUE(complaints_.empty()) << complaints_.text();
  EXPECT_EQ(messages.text("NOT_FOUND", "en", "찾을 수 없습니다."), "Not found.");
  EXPECT_EQ(messages.text("queue.waiting", "en", ""), "Waiting.");
  EXPECT_EQ(messages.text("FORBIDDEN", "en", ""), "접근 권한이 없습니다.");
  EXPECT_EQ(messages.text("FORBIDDEN", "en", "words"), "words");
}

TEST_F(MessagesTest, AFileMayReplaceKorean) {
  write("ko.toml", "NOT_FOUND = \"없어요.\"\n");
  Messages messages({"ko"}, folder_, complaints_);
  EXPECT_EQ(messages.text("NOT_FOUND", "ko", "words"), "없어요.");
}

TEST_F(MessagesTest, ChoosesByAcceptLanguage) {
  write("en.toml", "");
  write("zh-Hant.toml", "");
  Messages messages({"ko", "en", "zh-Hant"}, folder_, complaints_);
  ASSERT_TRUE(complaints_.empty()) << complaints_.text();
  const std::pair<std::string, const char*> cases[] = {
      {"", "ko"},
      {"en", "en"},
      {"EN-us", "en"},
      {"english", "ko"},
      {"de, en;q=0.5", "en"},
      {"ko;q=0.8, en;q=0.9", "en"},
      {"en;q=0, ko", "ko"},
      {"en;q=0", "ko"},
      {"fr", "ko"},
      {"*", "ko"},
      {"zh-hant-TW;q=0.3, en;q=0.2", "zh-Hant"},
      {"zh", "ko"},
      {"en; q=1.000", "en"},
      {"en;q=2", "ko"},
      {"en;q=", "ko"},
      {",,;;=,en", "en"},
      {std::string(100000, ','), "ko"},
      {std::string(100000, 'e'), "ko"},
  };
  for (const auto& [header, expected] : cases)
    EXPECT_EQ(messages.choose(header), expected) << header.substr(0, 60);
}

TEST_F(MessagesTest, SaysWhatIsWrongWithAFile) {
  write("en.toml", "NOT_FOUND = 5\n");
  write("de.toml", "NOT_FOUND = \n");
  Messages messages({"ko", "en", "de"}, folder_, complaints_);
  EXPECT_THAT(complaints_.lines(),
              ElementsAre(HasSubstr("en.toml:1:13: \"NOT_FOUND\" must be a string"),
                          HasSubstr("de.toml:1:")));
}

TEST_F(MessagesTest, SaysWhyALanguageCannotBeUsed) {
  write("en.toml", "");
  EXPECT_EQ(Messages::problem("ko", folder_), "");
  EXPECT_EQ(Messages::problem("ko", ""), "");
  EXPECT_EQ(Messages::problem("en", folder_), "");
  EXPECT_THAT(Messages::problem("fr", folder_),
              HasSubstr("there is no " + folder_.string() + "/fr.toml"));
  EXPECT_THAT(Messages::problem("../x", folder_), HasSubstr("\"../x\" is not a language"));
  EXPECT_THAT(Messages::problem("en", ""), HasSubstr("name the folder that holds en.toml"));
}

}  // namespace
}  // namespace gw::config
