// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <algorithm>
#include <cstdlib>

namespace gw::base {

namespace {

constexpr std::size_t kFirst = 1;  // a chunk's size: never that of one of its own

}  // namespace

ChunkPool::~ChunkPool() {
  for (List* list : {&whole_, &first_}) {
    while (list->free != nullptr) std::free(std::exchange(list->free, list->free->next));
  }
}

void* ChunkPool::take_from(List& list, std::size_t bytes) {
  if (list.free == nullptr) return std::malloc(bytes);
  --list.unused;
  return std::exchange(list.free, list.free->next);
}

void ChunkPool::give_to(List& list, void* chunk) const {
  if (list.unused >= keep_) {
    std::free(chunk);
    return;
  }
  list.free = new (chunk) Free{list.free};
  ++list.unused;
}

void Arena::set_end(char* chunk_end) {
  const auto room = static_cast<std::size_t>(chunk_end - next_);
  end_ = next_ + (std::min(room, limit_ - used_) & ~(kAlign - 1));
}

void* Arena::allocate_chunk(std::size_t bytes) {
  if (bytes > limit_) return nullptr;
  bytes = round_up(bytes);
  if (used_ + bytes > limit_) return nullptr;
  constexpr std::size_t kHead = round_up(sizeof(Chunk));
  if (bytes > ChunkPool::kChunkBytes - kHead) {  // a chunk of its own; the current one stays in use
    void* memory = std::malloc(kHead + bytes);
    if (memory == nullptr) return nullptr;
    Chunk* chunk = new (memory) Chunk{nullptr, bytes};
    if (chunks_ == nullptr) {
      chunks_ = chunk;
    } else {
      chunk->next = std::exchange(chunks_->next, chunk);
    }
    used_ += bytes;
    if (next_ != nullptr) set_end(end_);
    return static_cast<char*>(memory) + kHead;
  }
  constexpr std::size_t kFirstRoom = ChunkPool::kFirstBytes - kHead;
  const bool first = bytes <= kFirstRoom && used_ + bytes <= 2 * kFirstRoom;
  void* memory = first ? pool_->take_first() : pool_->take();
  if (memory == nullptr) return nullptr;
  chunks_ = new (memory) Chunk{chunks_, first ? kFirst : 0};
  next_ = static_cast<char*>(memory) + kHead;
  set_end(static_cast<char*>(memory) + (first ? ChunkPool::kFirstBytes : ChunkPool::kChunkBytes));
  return take(bytes);
}

void Arena::reset() {
  while (chunks_ != nullptr) {
    Chunk* chunk = std::exchange(chunks_, chunks_->next);
    if (chunk->size == 0) {
      pool_->give(chunk);
    } else if (chunk->size == kFirst) {
      pool_->give_first(chunk);
    } else {
      std::free(chunk);
    }
  }
  used_ = 0;
  next_ = end_ = nullptr;
}

}  // namespace gw::base
