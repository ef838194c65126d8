/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of every struct of the ABI on 64-bit machines, as released with 1.0. An AT never changes: a
 * plugin built then must load today. A struct that begins with struct_size may grow at its end; its SIZE
 * then follows, and the new field gets an AT. Compiled with every build and, as C11, C17, C++11 and C++20,
 * by check_headers.py. */
#include <gateway/plugin.h>

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#endif
#define SIZE(type, size) CHECK(sizeof(type) == (size))
#define AT(type, field, offset) CHECK(offsetof(type, field) == (offset))

CHECK(sizeof(void*) == 8);
CHECK(sizeof(gw_status) == 4);
CHECK(sizeof(gw_verdict) == 4);

/* abi/base.h */
SIZE(gw_str, 16);
AT(gw_str, ptr, 0);
AT(gw_str, len, 8);
SIZE(gw_header, 32);
AT(gw_header, name, 0);
AT(gw_header, value, 16);

/* abi/context.h */
SIZE(gw_listener, 24);
AT(gw_listener, struct_size, 0);
AT(gw_listener, loopback, 4);
AT(gw_listener, address, 8);
SIZE(gw_context_api, 48);
AT(gw_context_api, struct_size, 0);
AT(gw_context_api, name, 8);
AT(gw_context_api, worker_count, 16);
AT(gw_context_api, listener_at, 24);
AT(gw_context_api, started, 32);
AT(gw_context_api, stopped, 40);
SIZE(gw_config_api, 88);
AT(gw_config_api, struct_size, 0);
AT(gw_config_api, get_string, 8);
AT(gw_config_api, get_integer, 16);
AT(gw_config_api, get_float, 24);
AT(gw_config_api, get_boolean, 32);
AT(gw_config_api, string_at, 40);
AT(gw_config_api, integer_at, 48);
AT(gw_config_api, table_at, 56);
AT(gw_config_api, get_table, 64);
AT(gw_config_api, key_at, 72);
AT(gw_config_api, complain, 80);
SIZE(gw_attribute_api, 32);
AT(gw_attribute_api, struct_size, 0);
AT(gw_attribute_api, intern, 8);
AT(gw_attribute_api, get, 16);
AT(gw_attribute_api, set, 24);
SIZE(gw_text_api, 16);
AT(gw_text_api, struct_size, 0);
AT(gw_text_api, get, 8);

/* abi/exchange.h */
SIZE(gw_request, 72);
AT(gw_request, struct_size, 0);
AT(gw_request, http_minor, 4);
AT(gw_request, method, 8);
AT(gw_request, path, 24);
AT(gw_request, query, 40);
AT(gw_request, authority, 56);
SIZE(gw_waker, 16);
AT(gw_waker, slot, 0);
AT(gw_waker, generation, 8);
SIZE(gw_exchange_api, 120);
AT(gw_exchange_api, struct_size, 0);
AT(gw_exchange_api, request, 8);
AT(gw_exchange_api, set_target, 16);
AT(gw_exchange_api, header_at, 24);
AT(gw_exchange_api, header_get, 32);
AT(gw_exchange_api, header_set, 40);
AT(gw_exchange_api, header_add, 48);
AT(gw_exchange_api, header_remove, 56);
AT(gw_exchange_api, status, 64);
AT(gw_exchange_api, set_status, 72);
AT(gw_exchange_api, alloc, 80);
AT(gw_exchange_api, pause, 88);
AT(gw_exchange_api, wake, 96);
AT(gw_exchange_api, reply, 104);
AT(gw_exchange_api, fail, 112);

/* abi/stream.h */
SIZE(gw_stream_events, 32);
AT(gw_stream_events, struct_size, 0);
AT(gw_stream_events, on_closed, 8);
AT(gw_stream_events, on_writable, 16);
AT(gw_stream_events, on_drain, 24);
SIZE(gw_stream_api, 32);
AT(gw_stream_api, struct_size, 0);
AT(gw_stream_api, begin, 8);
AT(gw_stream_api, write, 16);
AT(gw_stream_api, end, 24);

/* abi/worker.h */
SIZE(gw_worker_api, 16);
AT(gw_worker_api, struct_size, 0);
AT(gw_worker_api, index, 8);
SIZE(gw_timer_api, 24);
AT(gw_timer_api, struct_size, 0);
AT(gw_timer_api, start, 8);
AT(gw_timer_api, cancel, 16);
SIZE(gw_fd_api, 32);
AT(gw_fd_api, struct_size, 0);
AT(gw_fd_api, watch, 8);
AT(gw_fd_api, update, 16);
AT(gw_fd_api, cancel, 24);
SIZE(gw_turn_api, 32);
AT(gw_turn_api, struct_size, 0);
AT(gw_turn_api, create, 8);
AT(gw_turn_api, arm, 16);
AT(gw_turn_api, cancel, 24);
SIZE(gw_post_api, 16);
AT(gw_post_api, struct_size, 0);
AT(gw_post_api, post, 8);
SIZE(gw_resolve_api, 24);
AT(gw_resolve_api, struct_size, 0);
AT(gw_resolve_api, resolve, 8);
AT(gw_resolve_api, cancel, 16);
SIZE(gw_call_request, 80);
AT(gw_call_request, struct_size, 0);
AT(gw_call_request, timeout_ms, 4);
AT(gw_call_request, method, 8);
AT(gw_call_request, url, 24);
AT(gw_call_request, headers, 40);
AT(gw_call_request, header_count, 48);
AT(gw_call_request, connect_timeout_ms, 52);
AT(gw_call_request, body, 56);
AT(gw_call_request, max_answer_bytes, 72);
SIZE(gw_call_answer, 56);
AT(gw_call_answer, struct_size, 0);
AT(gw_call_answer, status, 4);
AT(gw_call_answer, http_status, 8);
AT(gw_call_answer, header_count, 12);
AT(gw_call_answer, headers, 16);
AT(gw_call_answer, body, 24);
AT(gw_call_answer, error, 40);
SIZE(gw_call_api, 24);
AT(gw_call_api, struct_size, 0);
AT(gw_call_api, call, 8);
AT(gw_call_api, cancel, 16);
SIZE(gw_offload_api, 24);
AT(gw_offload_api, struct_size, 0);
AT(gw_offload_api, run, 8);
AT(gw_offload_api, cancel, 16);

/* abi/observe.h */
SIZE(gw_log_api, 24);
AT(gw_log_api, struct_size, 0);
AT(gw_log_api, enabled, 8);
AT(gw_log_api, write, 16);
SIZE(gw_clock_api, 24);
AT(gw_clock_api, struct_size, 0);
AT(gw_clock_api, monotonic_ns, 8);
AT(gw_clock_api, wall_ms, 16);
SIZE(gw_random_api, 16);
AT(gw_random_api, struct_size, 0);
AT(gw_random_api, fill, 8);
SIZE(gw_family, 64);
AT(gw_family, struct_size, 0);
AT(gw_family, type, 4);
AT(gw_family, name, 8);
AT(gw_family, help, 24);
AT(gw_family, labels, 40);
AT(gw_family, label_count, 48);
AT(gw_family, bound_count, 52);
AT(gw_family, bounds, 56);
SIZE(gw_sample, 48);
AT(gw_sample, struct_size, 0);
AT(gw_sample, bucket_count, 4);
AT(gw_sample, family, 8);
AT(gw_sample, label_values, 16);
AT(gw_sample, value, 24);
AT(gw_sample, count, 32);
AT(gw_sample, buckets, 40);
SIZE(gw_metrics_api, 48);
AT(gw_metrics_api, struct_size, 0);
AT(gw_metrics_api, cell, 8);
AT(gw_metrics_api, add, 16);
AT(gw_metrics_api, set, 24);
AT(gw_metrics_api, observe, 32);
AT(gw_metrics_api, visit, 40);
SIZE(gw_health_entry, 40);
AT(gw_health_entry, struct_size, 0);
AT(gw_health_entry, status, 4);
AT(gw_health_entry, component, 8);
AT(gw_health_entry, details_json, 24);
SIZE(gw_health_api, 24);
AT(gw_health_api, struct_size, 0);
AT(gw_health_api, report, 8);
AT(gw_health_api, visit, 16);

/* abi/instance.h */
SIZE(gw_instance_api, 56);
AT(gw_instance_api, struct_size, 0);
AT(gw_instance_api, create, 8);
AT(gw_instance_api, destroy, 16);
AT(gw_instance_api, create_part, 24);
AT(gw_instance_api, destroy_part, 32);
AT(gw_instance_api, start, 40);
AT(gw_instance_api, stop, 48);

/* abi/handover.h */
SIZE(gw_sink, 24);
AT(gw_sink, struct_size, 0);
AT(gw_sink, reserved, 4);
AT(gw_sink, user, 8);
AT(gw_sink, write, 16);
SIZE(gw_handover_api, 64);
AT(gw_handover_api, struct_size, 0);
AT(gw_handover_api, format, 4);
AT(gw_handover_api, export_stream, 8);
AT(gw_handover_api, adopt_stream, 16);
AT(gw_handover_api, stream_moved, 24);
AT(gw_handover_api, export_state, 32);
AT(gw_handover_api, import_state, 40);
AT(gw_handover_api, state_moved, 48);
AT(gw_handover_api, answer, 56);
SIZE(gw_successor_api, 16);
AT(gw_successor_api, struct_size, 0);
AT(gw_successor_api, ask, 8);

/* abi/report.h */
SIZE(gw_report_api, 24);
AT(gw_report_api, struct_size, 0);
AT(gw_report_api, read, 8);
AT(gw_report_api, visit, 16);

/* abi/filter.h */
SIZE(gw_outcome, 64);
AT(gw_outcome, struct_size, 0);
AT(gw_outcome, status, 4);
AT(gw_outcome, duration_ns, 8);
AT(gw_outcome, request_body_bytes, 16);
AT(gw_outcome, response_body_bytes, 24);
AT(gw_outcome, aborted, 32);
AT(gw_outcome, streaming, 36);
AT(gw_outcome, error_code, 40);
AT(gw_outcome, upstream_ns, 56);
SIZE(gw_filter_api, 56);
AT(gw_filter_api, struct_size, 0);
AT(gw_filter_api, on_request_head, 8);
AT(gw_filter_api, on_request_body, 16);
AT(gw_filter_api, on_resume, 24);
AT(gw_filter_api, on_response_head, 32);
AT(gw_filter_api, on_response_body, 40);
AT(gw_filter_api, on_complete, 48);

/* abi/router.h */
SIZE(gw_endpoint, 72);
AT(gw_endpoint, struct_size, 0);
AT(gw_endpoint, flags, 4);
AT(gw_endpoint, address, 8);
AT(gw_endpoint, host, 24);
AT(gw_endpoint, connect_timeout_ms, 40);
AT(gw_endpoint, response_timeout_ms, 44);
AT(gw_endpoint, idle_timeout_ms, 48);
AT(gw_endpoint, reserved, 52);
AT(gw_endpoint, body_limit, 56);
AT(gw_endpoint, token, 64);
SIZE(gw_attempt, 32);
AT(gw_attempt, struct_size, 0);
AT(gw_attempt, number, 4);
AT(gw_attempt, result, 8);
AT(gw_attempt, status, 12);
AT(gw_attempt, token, 16);
AT(gw_attempt, duration_ns, 24);
SIZE(gw_router_api, 40);
AT(gw_router_api, struct_size, 0);
AT(gw_router_api, choose, 8);
AT(gw_router_api, outcome, 16);
AT(gw_router_api, on_response_head, 24);
AT(gw_router_api, on_complete, 32);

/* abi/command.h */
SIZE(gw_command, 16);
AT(gw_command, name, 0);
AT(gw_command, summary, 8);
SIZE(gw_terminal, 32);
AT(gw_terminal, struct_size, 0);
AT(gw_terminal, argument_count, 4);
AT(gw_terminal, arguments, 8);
AT(gw_terminal, host, 16);
AT(gw_terminal, write, 24);
SIZE(gw_command_api, 24);
AT(gw_command_api, struct_size, 0);
AT(gw_command_api, command_count, 4);
AT(gw_command_api, commands, 8);
AT(gw_command_api, run, 16);

/* plugin.h */
SIZE(gw_host, 32);
AT(gw_host, struct_size, 0);
AT(gw_host, abi, 4);
AT(gw_host, version, 8);
AT(gw_host, get_interface, 24);
SIZE(gw_plugin, 40);
AT(gw_plugin, struct_size, 0);
AT(gw_plugin, abi, 4);
AT(gw_plugin, manifest, 8);
AT(gw_plugin, init, 16);
AT(gw_plugin, finish, 24);
AT(gw_plugin, get_interface, 32);

/* Values that are never renumbered. */
CHECK(GW_OK == 0);
CHECK(GW_ERROR == -1);
CHECK(GW_INVALID == -2);
CHECK(GW_NOT_FOUND == -3);
CHECK(GW_LIMIT == -4);
CHECK(GW_GONE == -5);
CHECK(GW_TIMEOUT == -6);
CHECK(GW_UNSUPPORTED == -7);
CHECK(GW_WRONG_STATE == -8);
CHECK(GW_REQUEST == 0);
CHECK(GW_RESPONSE == 1);
CHECK(GW_FAIL_CLOSED == 0);
CHECK(GW_FAIL_OPEN == 1);
CHECK(GW_STREAM_CLIENT_GONE == 1);
CHECK(GW_STREAM_TOO_SLOW == 2);
CHECK(GW_STREAM_SERVER_STOP == 3);
CHECK(GW_FD_READ == 1);
CHECK(GW_FD_WRITE == 2);
CHECK(GW_DEBUG == 1);
CHECK(GW_INFO == 2);
CHECK(GW_WARN == 3);
CHECK(GW_FAULT == 4);
CHECK(GW_COUNTER == 1);
CHECK(GW_GAUGE == 2);
CHECK(GW_HISTOGRAM == 3);
CHECK(GW_UP == 1);
CHECK(GW_UNKNOWN == 2);
CHECK(GW_OUT_OF_SERVICE == 3);
CHECK(GW_DOWN == 4);
CHECK(GW_CONTINUE == 0);
CHECK(GW_PAUSE == 1);
CHECK(GW_REPLIED == 2);
CHECK(GW_ENDPOINT_TLS == 1);
CHECK(GW_ENDPOINT_PRESERVE_HOST == 2);
CHECK(GW_ATTEMPT_ANSWERED == 0);
CHECK(GW_ATTEMPT_REFUSED == 1);
CHECK(GW_ATTEMPT_CONNECT_TIMEOUT == 2);
CHECK(GW_ATTEMPT_BROKEN == 3);
CHECK(GW_ATTEMPT_RESPONSE_TIMEOUT == 4);
CHECK(GW_ATTEMPT_BAD_ANSWER == 5);
CHECK(GW_ATTEMPT_ABANDONED == 6);
CHECK(GW_ATTEMPT_OVERLOADED == 7);
