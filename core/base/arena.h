// SPDX-License-Identifier: Apache-2.0
//
// Arena: memory of one exchange, given back in one piece. ChunkPool: where one worker's arenas get
// their chunks, so that a steady load allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gw::base {

// Chunks, kept for reuse up to a bound: the first two of each arena are small, as most of what
// hostile clients begin stays small. One thread. Must outlive its arenas.
class ChunkPool {
 public:
  static constexpr std::size_t kChunkBytes = 4096;
  static constexpr std::size_t kFirstBytes = 760;  // holds a small request to a service

  // Keeps at most `keep` unused chunks of each size; more are given back to the system.
  explicit ChunkPool(std::size_t keep = 1024);
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  void* take() { return take_from(whole_, kChunkBytes); }
  void give(void* chunk) { give_to(whole_, chunk); }
  void* take_first() { return take_from(first_, kFirstBytes); }
  void give_first(void* chunk) { give_to(first_, chunk); }
  std::size_t unused() const { return whole_.size(); }

 private:
  // Where the unused ones are: a list through themselves would be read from memory that has long
  // left the caches.
  using List = std::vector<void*>;
  static void* take_from(List& list, std::size_t bytes);
  void give_to(List& list, void* chunk) const;

  List whole_;
  List first_;
  std::size_t keep_;
};

// Bump allocation; no destructor is ever run. One thread. Memory is aligned for any type.
class Arena {
 public:
  // `limit`: bytes after which try_allocate says no.
  explicit Arena(ChunkPool& pool, std::size_t limit = 1 << 20) : pool_(&pool), limit_(limit) {}
  ~Arena() { reset(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Null at the limit or when the system has no memory. Not zeroed.
  void* try_allocate(std::size_t bytes) {
    if (bytes == 0) bytes = 1;
    if (bytes > static_cast<std::size_t>(end_ - next_)) return allocate_chunk(bytes);
    return take(round_up(bytes));
  }

  // A copy of the text; an empty view with null data() when there is no room for a text that is not
  // empty.
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    void* memory = try_allocate(text.size());
    if (memory == nullptr) return {};
    std::memcpy(memory, text.data(), text.size());
    return {static_cast<const char*>(memory), text.size()};
  }

  template <class T, class... Arguments>
  T* make(Arguments&&... arguments) {
    static_assert(std::is_trivially_destructible_v<T>);
    void* memory = try_allocate(sizeof(T));
    return memory == nullptr ? nullptr : new (memory) T{std::forward<Arguments>(arguments)...};
  }

  // Everything allocated dies.
  void reset();
  std::size_t used() const { return used_; }

 private:
  struct Chunk {
    Chunk* next;
    std::size_t size;  // 0: the pool's
  };
  static constexpr std::size_t kAlign = alignof(std::max_align_t);
  static constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + kAlign - 1) & ~(kAlign - 1);
  }
  void* take(std::size_t rounded) {
    used_ += rounded;
    return std::exchange(next_, next_ + rounded);
  }
  void* allocate_chunk(std::size_t bytes);
  void set_end(char* chunk_end);

  ChunkPool* pool_;
  std::size_t limit_;
  std::size_t used_ = 0;
  // The first ones, from the pool, are known here: giving them back need not read them.
  void* small_[2] = {};
  void* whole_ = nullptr;
  Chunk* chunks_ = nullptr;  // the others
  char* next_ = nullptr;
  char* end_ = nullptr;  // of what may be taken: aligned, within the limit
};

}  // namespace gw::base
