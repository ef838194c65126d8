// SPDX-License-Identifier: Apache-2.0
//
// Drives a fuzz target where there is no libFuzzer: every file of the corpus, then mutations of
// them for a few seconds. `<target> <corpus folder>`; GW_FUZZ_SEED repeats a run, GW_FUZZ_MS says
// how long (default 2000).
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

using Random = std::mt19937_64;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostRuns = 200000;
constexpr std::size_t kMostBytes = 16384;

std::vector<std::string> read_corpus(const char* folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

void change(std::string& text, const std::vector<std::string>& corpus, Random& random) {
  const std::size_t at = text.empty() ? 0 : random() % text.size();
  const std::string& other = corpus[random() % corpus.size()];
  switch (random() % 6) {
    case 0:
      if (!text.empty()) text[at] = static_cast<char>(random());
      return;
    case 1:
      if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
      return;
    case 2:
      text.erase(at, 1 + random() % 8);
      return;
    case 3:
      text.insert(at, 1, static_cast<char>(random()));
      return;
    case 4:
      text.insert(at, text.substr(text.empty() ? 0 : random() % text.size(), random() % 64));
      return;
    default:
      if (!other.empty()) text.insert(at, other.substr(random() % other.size(), random() % 32));
  }
}

void run(const std::string& input) {
  // A copy of its exact size, so that a sanitizer sees a read past the end.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::uint64_t number_from(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " <corpus folder>\n";
    return 2;
  }
  const std::vector<std::string> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::cerr << argv[1] << " is empty\n";
    return 1;
  }
  const std::uint64_t seed = number_from("GW_FUZZ_SEED", std::random_device()());
  std::cout << "GW_FUZZ_SEED=" << seed << std::endl;  // flushed: what follows may abort
  for (const std::string& input : corpus) run(input);
  Random random(seed);
  const auto end = Clock::now() + std::chrono::milliseconds(number_from("GW_FUZZ_MS", 2000));
  std::uint64_t runs = 0;
  for (; runs < kMostRuns && Clock::now() < end; ++runs) {
    std::string input = corpus[random() % corpus.size()];
    for (std::uint64_t changes = 1 + random() % 5; changes > 0; --changes) {
      change(input, corpus, random);
    }
    if (input.size() > kMostBytes) input.resize(kMostBytes);
    run(input);
  }
  std::cout << corpus.size() << " seeds, " << runs << " mutations\n";
}
