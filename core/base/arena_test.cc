// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace gw::base {
namespace {

TEST(Arena, KeepsWhatWasWritten) {
  ChunkPool pool(3);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  struct Life {
    explicit Life(ChunkPool& pool) : arena(pool) {}
    Arena arena;
    std::vector<std::pair<std::string, std::string_view>> texts;
  };
  Life lives[] = {Life(pool), Life(pool), Life(pool)};
  for (int round = 0; round < 300; ++round) {
    Life& life = lives[random() % std::size(lives)];
    if (random() % 3 == 0) {
      for (const auto& [text, copy] : life.texts) EXPECT_EQ(text, copy);
      life.texts.clear();
      life.arena.reset();
    }
    const std::size_t count = random() % 40;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t most = i % 20 == 0 ? 9000 : i % 5 == 0 ? 800 : 100;
      std::string text(random() % most, static_cast<char>('a' + random() % 26));
      const std::string_view copy = life.arena.copy(text);
      life.texts.emplace_back(std::move(text), copy);
    }
  }
  for (const Life& life : lives) {
    for (const auto& [text, copy] : life.texts) EXPECT_EQ(text, copy);
  }
}

TEST(Arena, AlignsForAnyType) {
  ChunkPool pool;
  Arena arena(pool);
  for (std::size_t size : {1, 3, 17, 5000, 1, 64}) {
    auto address = reinterpret_cast<std::uintptr_t>(arena.try_allocate(size));
    EXPECT_EQ(address % alignof(std::max_align_t), 0u);
  }
}

TEST(Arena, SaysNoAtTheLimit) {
  ChunkPool pool;
  Arena arena(pool, 1000);
  EXPECT_EQ(arena.try_allocate(1001), nullptr);
  EXPECT_NE(arena.try_allocate(900), nullptr);
  EXPECT_EQ(arena.try_allocate(200), nullptr);
  EXPECT_EQ(arena.copy(std::string(200, 'x')).data(), nullptr);
  EXPECT_EQ(arena.try_allocate(SIZE_MAX - 4), nullptr);
}

TEST(Arena, ReachesItsLimitExactly) {
  ChunkPool pool;
  for (std::size_t limit : {1000, 4500, 5000, 9001, 30000}) {
    Arena arena(pool, limit);
    ASSERT_NE(arena.try_allocate(0), nullptr);
    EXPECT_GT(arena.used(), 0u);
    arena.try_allocate(4100);  // a chunk of its own, where the limit allows it
    std::size_t before = arena.used();
    while (arena.try_allocate(24) != nullptr) {
      EXPECT_EQ(before + 32, arena.used());
      before = arena.used();
    }
    EXPECT_LE(arena.used(), limit);
    EXPECT_GT(arena.used() + 32, limit);
    arena.reset();
    EXPECT_EQ(0u, arena.used());
    EXPECT_NE(arena.try_allocate(limit - limit % 16), nullptr);
    EXPECT_EQ(arena.try_allocate(16), nullptr);
  }
}

TEST(Arena, GivesChunksBackUpToTheBound) {
  ChunkPool pool(2);
  {
    Arena arena(pool);
    for (int i = 0; i < 5; ++i) arena.try_allocate(3000);
  }
  EXPECT_EQ(pool.unused(), 2u);
  Arena arena(pool);
  arena.try_allocate(10);
  EXPECT_EQ(pool.unused(), 2u);  // the first is small
  arena.try_allocate(ChunkPool::kFirstBytes / 2);
  arena.try_allocate(ChunkPool::kFirstBytes / 2);
  EXPECT_EQ(pool.unused(), 2u);  // and so is the second
  arena.try_allocate(3000);
  EXPECT_EQ(pool.unused(), 1u);
}

}  // namespace
}  // namespace gw::base
