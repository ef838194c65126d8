// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <algorithm>
#include <cstdlib>

#include "base/prefetch.h"

namespace gw::base {

ChunkPool::ChunkPool(std::size_t keep) : keep_(keep) {
  whole_.reserve(keep);
  first_.reserve(keep);
}

ChunkPool::~ChunkPool() {
  for (const List* list : {&whole_, &first_}) {
    for (void* chunk : *list) std::free(chunk);
  }
}

void* ChunkPool::take_from(List& list, std::size_t bytes) {
  if (list.empty()) return std::malloc(bytes);
  void* chunk = list.back();
  list.pop_back();
  if (!list.empty()) prefetch(list.back(), kFirstBytes);  // for who comes next
  return chunk;
}

void ChunkPool::give_to(List& list, void* chunk) const {
  if (list.size() < keep_) {
    list.push_back(chunk);
  } else {
    std::free(chunk);
  }
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
    chunks_ = new (memory) Chunk{chunks_, bytes};
    used_ += bytes;
    if (next_ != nullptr) set_end(end_);
    return static_cast<char*>(memory) + kHead;
  }
  const bool small = bytes <= ChunkPool::kFirstBytes && small_[1] == nullptr &&
                     used_ + bytes <= 2 * ChunkPool::kFirstBytes;
  void* memory = small ? pool_->take_first() : pool_->take();
  if (memory == nullptr) return nullptr;
  next_ = static_cast<char*>(memory);
  char* chunk_end = next_ + (small ? ChunkPool::kFirstBytes : ChunkPool::kChunkBytes);
  if (small) {
    small_[small_[0] != nullptr] = memory;
  } else if (whole_ == nullptr) {
    whole_ = memory;
  } else {
    chunks_ = new (memory) Chunk{chunks_, 0};
    next_ += kHead;
  }
  set_end(chunk_end);
  return take(bytes);
}

void Arena::reset() {
  for (void*& chunk : small_) {
    if (chunk != nullptr) pool_->give_first(std::exchange(chunk, nullptr));
  }
  if (whole_ != nullptr) pool_->give(std::exchange(whole_, nullptr));
  while (chunks_ != nullptr) {
    Chunk* chunk = std::exchange(chunks_, chunks_->next);
    if (chunk->size == 0) {
      pool_->give(chunk);
    } else {
      std::free(chunk);
    }
  }
  used_ = 0;
  next_ = end_ = nullptr;
}

}  // namespace gw::base
