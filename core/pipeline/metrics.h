// SPDX-License-Identifier: Apache-2.0
//
// Counters of one worker's pipelines. Written by that worker only, read by anybody.
#pragma once

#include "http/metrics.h"

namespace gw::pipeline {

struct PipelineMetrics {
  http::Counter exchanges_open;     // gauge
  http::Counter streams_open;       // gauge
  http::Counter unmatched;          // no pipeline for the request
  http::Counter pauses;             // of filters
  http::Counter pauses_expired;     // that ended at their deadline
  http::Counter attempts;           // upstream endpoints tried
  http::Counter attempts_failed;    // of these
  http::Counter attempts_repeated;  // another endpoint after a failure
  http::Counter stale_repeated;     // the same endpoint after a stale connection
  http::Counter answers_broken;     // ended by closing the client's connection
  http::Counter streams_moved;      // handed over to another instance
  http::Counter streams_kept;       // hand-overs that were refused
  http::Counter misuses;            // plugins broke the ABI
};

}  // namespace gw::pipeline
