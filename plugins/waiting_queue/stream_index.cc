// SPDX-License-Identifier: Apache-2.0
//
// StreamHub: whose streams are which.
#include "stream_record.h"

namespace gw::queue {

StreamHub::Stream*& StreamHub::Index::bucket(std::string_view user) {
  return buckets_[std::hash<std::string_view>()(user) & (buckets_.size() - 1)];
}

StreamHub::Stream* StreamHub::Index::first(std::string_view user, Stream* from) {
  while (from != nullptr && from->user() != user) from = from->chain;
  return from;
}

StreamHub::Stream* StreamHub::Index::find(std::string_view user) {
  return first(user, bucket(user));
}

StreamHub::Stream* StreamHub::Index::next(const Stream& stream) {
  return first(stream.user(), stream.chain);
}

void StreamHub::Index::insert(Stream& stream) {
  if (++size_ > buckets_.size()) {
    std::vector<Stream*> old(2 * buckets_.size());
    old.swap(buckets_);
    for (Stream* chain : old) {
      while (chain != nullptr) {
        Stream* moved = std::exchange(chain, chain->chain);
        moved->chain = std::exchange(bucket(moved->user()), moved);
      }
    }
  }
  stream.chain = std::exchange(bucket(stream.user()), &stream);
}

void StreamHub::Index::remove(Stream& stream) {
  Stream** link = &bucket(stream.user());
  while (*link != &stream) link = &(*link)->chain;
  *link = stream.chain;
  --size_;
}

}  // namespace gw::queue
