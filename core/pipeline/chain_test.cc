// SPDX-License-Identifier: Apache-2.0
#include "pipeline/chain.h"

#include <gtest/gtest.h>

namespace gw::pipeline {
namespace {

TEST(ChainMatch, PathHostAndListener) {
  struct Case {
    std::vector<std::string> paths, hosts, listeners;
    const char *path, *authority, *listener;
    bool matches;
  } const cases[] = {
      {{}, {}, {}, "/x", "h", "main", true},
      {{"/api/**"}, {}, {}, "/api/v1", "h", "main", true},
      {{"/api/**"}, {}, {}, "/apis", "h", "main", false},
      {{"/a", "/b/*"}, {}, {}, "/b/c", "h", "main", true},
      {{}, {"shop.example"}, {}, "/", "Shop.Example:8080", "main", true},
      {{}, {"Shop.Example"}, {}, "/", "shop.example", "main", true},
      {{}, {"shop.example"}, {}, "/", "xshop.example", "main", false},
      {{}, {"*.example"}, {}, "/", "shop.EXAMPLE:1", "main", true},
      {{}, {"*.example"}, {}, "/", "a.b.example", "main", true},
      {{}, {"shop.example"}, {}, "/", "shop.example.", "main", true},
      {{}, {"*.example"}, {}, "/", "shop.example.:8080", "main", true},
      {{}, {"*.example"}, {}, "/", "example", "main", false},
      {{}, {"*.example"}, {}, "/", ".example", "main", false},
      {{}, {"[::1]"}, {}, "/", "[::1]:80", "main", true},
      {{}, {"[::1]"}, {}, "/", "[::1]", "main", true},
      {{}, {"h"}, {}, "/", "", "main", false},
      {{}, {}, {"admin"}, "/", "h", "main", false},
      {{}, {}, {"admin", "main"}, "/", "h", "main", true},
      {{"/a"}, {"h"}, {"main"}, "/a", "i", "main", false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(std::string(test.path) + " " + test.authority);
    auto match = ChainMatch::compile(test.paths, test.hosts, test.listeners);
    ASSERT_TRUE(match.ok());
    base::ChunkPool pool;
    base::Arena arena(pool);
    http::RequestHead head(arena);
    head.path = test.path;
    head.authority = test.authority;
    http::Peer peer;
    peer.listener = test.listener;
    EXPECT_EQ(match->matches(head, peer), test.matches);
  }
}

TEST(ChainMatch, SaysWhatIsWrong) {
  auto path = ChainMatch::compile({"/a/**/b"}, {}, {});
  ASSERT_FALSE(path.ok());
  EXPECT_NE(path.error().find("\"/a/**/b\""), std::string::npos) << path.error();
  for (const char* host : {"", "*.", "a*.b", "http://x", "a b", "u@h"})
    EXPECT_FALSE(ChainMatch::compile({}, {host}, {}).ok()) << host;
}

TEST(FilterStep, LeavesOutWhatIsBehindStructSize) {
  gw_filter_api api{};
  api.struct_size = offsetof(gw_filter_api, on_response_head);
  api.on_request_head = [](void*, gw_exchange*, void**) { return gw_verdict{GW_CONTINUE}; };
  api.on_complete = [](void*, gw_exchange*, void**, const gw_outcome*) {};
  PartUse use;
  const FilterStep step = make_filter_step(&api, nullptr, use);
  EXPECT_NE(step.api.on_request_head, nullptr);
  EXPECT_EQ(step.api.on_complete, nullptr);
  api.struct_size = sizeof api + 100;  // of a newer plugin
  EXPECT_NE(make_filter_step(&api, nullptr, use).api.on_complete, nullptr);
}

TEST(WorkerGeneration, FirstMatchServes) {
  WorkerGeneration generation;
  for (const char* path : {"/a/**", "/**"}) {
    Chain chain;
    chain.name = path;
    auto match = ChainMatch::compile({path}, {}, {});
    ASSERT_TRUE(match.ok());
    chain.match = *match;
    generation.chains.push_back(std::move(chain));
  }
  base::ChunkPool pool;
  base::Arena arena(pool);
  http::RequestHead head(arena);
  head.path = "/a/b";
  EXPECT_EQ(generation.find(head, {})->name, "/a/**");
  head.path = "/b";
  EXPECT_EQ(generation.find(head, {})->name, "/**");
}

}  // namespace
}  // namespace gw::pipeline
