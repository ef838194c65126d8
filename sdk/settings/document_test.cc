// SPDX-License-Identifier: Apache-2.0
#include "settings/document.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

namespace gw::settings {
namespace {

using ::testing::HasSubstr;

std::string complaint_about(std::string_view text) {
  Complaints complaints;
  auto document = parse_text(text, "t.toml", "", complaints);
  EXPECT_EQ(document == nullptr, !complaints.empty());
  return complaints.text();
}

std::string repeated(std::string_view part, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += part;
  return all;
}

TEST(Document, KnowsWhereEverythingStands) {
  Complaints complaints;
  auto document = parse_text("b = 1\na = \"x\"\n\n[t]\n  list = [ 1.5, true ]\nd.e = 2024-01-01\n",
                             "t.toml", "/etc/gw", complaints);
  ASSERT_NE(document, nullptr) << complaints.text();
  const Node& root = document->root;
  EXPECT_EQ(document->folder, "/etc/gw");
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[0].key, "b");  // as in the text
  EXPECT_EQ(root.entries[0].value.integer, 1);
  EXPECT_EQ(root.find("a")->value.text, "x");
  EXPECT_EQ(root.find("a")->value.position.line, 2u);
  EXPECT_EQ(root.find("a")->value.position.column, 5u);
  const Entry* list = root.find("t")->value.find("list");
  EXPECT_EQ(list->key_position.line, 5u);
  EXPECT_EQ(list->key_position.column, 3u);
  EXPECT_EQ(list->value.elements[0].number, 1.5);
  EXPECT_TRUE(list->value.elements[1].boolean);
  EXPECT_EQ(list->value.elements[1].position.column, 17u);
  EXPECT_EQ(root.find("t")->value.find("d")->value.find("e")->value.kind, Node::Kind::kDate);
  EXPECT_EQ(root.find("nothing"), nullptr);
}

TEST(Document, SaysWhereAParserStopped) {
  EXPECT_THAT(complaint_about("a = 1\nb = \n"), HasSubstr("t.toml:2:"));
  EXPECT_THAT(complaint_about("a = 1\na = 2\n"), HasSubstr("t.toml:2:"));
  EXPECT_THAT(complaint_about("[a]\nx=1\n[a]\nx=1\n"), HasSubstr("t.toml:3:"));
}

TEST(Document, RefusesHostileTexts) {
  using namespace std::string_view_literals;
  const std::string hostile[] = {
      repeated("[", 100000),
      "a=" + repeated("[", 100000),
      "a=" + repeated("{a=", 100000),
      "a" + repeated(".a", 1000000) + "=1",
      "[a" + repeated(".a", 1000000) + "]",
      "a" + repeated(" . \"b\"", 100000) + " = 1",
      "a={b" + repeated(".b", 40) + "=1}",
      "a = \"\"\"\"\"\nb" + repeated(".b", 40) + "=1",
      "a = '''x'''''\nb" + repeated(".b", 40) + "=1",
      "a = \"\\\"\"\nb" + repeated(".b", 40) + "=1",
      "# \"\nb" + repeated(".b", 40) + "=1",
      "a = ''\nb" + repeated(".b", 40) + "=1",
      "[a" + repeated(".a", 30) + "]\nb" + repeated(".b", 30) + "=1",
      std::string("a = \"x\0y\""sv),
      std::string("\0"sv),
      std::string("# \0"sv),
      "a = \"\xff\xfe\"",
      "\xc3\x28 = 1",
      "a = \"\xed\xa0\x80\"",
      "a = \"\xf5\x80\x80\x80\"",
      "a = \"\x01\"",
      "a = 99999999999999999999",
      "a = \"\\ud800\"",
      "a = \"\\",
      "a = '",
      "a = \"\"\"",
      "= 1",
      repeated("a", kMaxDocumentBytes + 1),
      "a=[" + repeated("1,", 300000) + "]",
  };
  for (const std::string& text : hostile) {
    std::string complaint = complaint_about(text);
    EXPECT_THAT(complaint, HasSubstr("t.toml:")) << text.substr(0, 60);
    EXPECT_LT(complaint.size(), 4096u);
  }
}

TEST(Document, TakesWhatIsOnlyLong) {
  EXPECT_EQ(complaint_about("a" + repeated(".a", 30) + " = 1"), "");
  EXPECT_EQ(complaint_about("a = \"" + repeated("[.{", 1000) + "\""), "");
  EXPECT_EQ(complaint_about("a = '''" + repeated("[.{\n", 1000) + "'''"), "");
  EXPECT_EQ(complaint_about("a = \"\"\"\\\"\"\"\"\n"), "");
  EXPECT_EQ(complaint_about("# " + repeated("[.", 1000)), "");
  EXPECT_EQ(complaint_about("a = [" + repeated("[1.5], ", 1000) + "]"), "");
  EXPECT_EQ(complaint_about(repeated("[[a.b]]\nc.d = 1.5\n", 1000)), "");
  EXPECT_EQ(complaint_about(""), "");
  EXPECT_EQ(complaint_about("\xef\xbb\xbf"
                            "a = 1\r\nb = 2\r\n"),
            "");
}

TEST(Document, SurvivesBrokenTexts) {
  const std::string good =
      "[server]\nlisten = [\"127.0.0.1:${P:80}\"]\n[[plugin]]\nname='a'\nx.y = {z = [1, 2.5]}\n";
  unsigned seed = 20261122;
  std::mt19937 random(seed);
  std::printf("seed %u\n", seed);
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int change = 0; change < 4; ++change)
      text[random() % text.size()] = "\"'[]{}.=\n\\#,\x80 1"[random() % 16];
    Complaints complaints;
    auto document = parse_text(text, "t.toml", "", complaints);
    ASSERT_EQ(document == nullptr, !complaints.empty()) << text;
  }
}

TEST(Document, ReadsFiles) {
  auto folder = std::filesystem::temp_directory_path() / "gw_document_test";
  std::filesystem::create_directories(folder);
  std::string path = folder / "a.toml";
  std::ofstream(path) << "a = 1\n";
  Complaints complaints;
  auto document = parse_file(path, complaints);
  ASSERT_NE(document, nullptr) << complaints.text();
  EXPECT_EQ(document->folder, folder.string());
  EXPECT_EQ(document->file, path);
  std::filesystem::resize_file(path, kMaxDocumentBytes + 1);
  EXPECT_EQ(parse_file(path, complaints), nullptr);
  EXPECT_EQ(parse_file(folder, complaints), nullptr);
  EXPECT_EQ(parse_file(folder / "none.toml", complaints), nullptr);
  EXPECT_EQ(complaints.lines().size(), 3u);
  std::filesystem::remove_all(folder);
}

TEST(Complaints, AreBoundedAndEscaped) {
  Complaints complaints;
  complaints.add("f", {}, "a\nb\x1b[31m");
  EXPECT_EQ(complaints.lines()[0], "f: a\\x0ab\\x1b[31m");
  for (std::size_t i = 0; i < Complaints::kMaximum + 9; ++i) complaints.add("f", {1, 2}, "x");
  EXPECT_EQ(complaints.lines().size(), Complaints::kMaximum + 1);
  EXPECT_EQ(complaints.lines().back(), "... and 10 more");
  Complaints other;
  other.append(complaints);
  EXPECT_EQ(other.lines(), complaints.lines());
}

}  // namespace
}  // namespace gw::settings
