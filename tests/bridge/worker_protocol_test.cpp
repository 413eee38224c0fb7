// SPDX-License-Identifier: Apache-2.0
#include "bridge/worker_protocol.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>

using namespace vivarium;
using namespace vivarium::bridge;

namespace {

std::string_view body_of(const std::string& framed) {
  return std::string_view{framed}.substr(frame_header_bytes);
}

template <class Decode>
void refuse_damage(const std::string& framed, Decode decode) {
  std::string body{body_of(framed)};
  REQUIRE(decode(body));
  for (std::size_t cut = 0; cut < body.size(); ++cut)
    CHECK_FALSE(decode(std::string_view{body}.substr(0, cut)));
  CHECK_FALSE(decode(body + std::string{"\x08\x01"}));         // A field twice.
  CHECK_FALSE(decode(body + std::string{"\x78\x01"}));         // An unknown field.
  CHECK_FALSE(decode(body + std::string{"\xfa\x07\x01z", 4})); // Likewise, over 64.
  CHECK_FALSE(decode("\x0a\x01z" + body.substr(2)));           // A wrong wire type.
  CHECK_FALSE(decode(""));
}

} // namespace

TEST_CASE("an order to evaluate makes the round trip", "[bridge]") {
  evaluate in;
  in.execution = std::numeric_limits<std::uint64_t>::max();
  in.source = "1+1";
  in.filename = "a.py";
  in.first_line = 7;
  in.mode = run_mode::compile;
  in.form = value_form::repr;
  in.start_before_us = 123456789;
  in.max_result_bytes = 5;
  in.request_id = "req_0a.7";
  in.traceparent = "00-ab-cd-01";
  in.max_output_bytes = std::numeric_limits<std::uint32_t>::max();
  std::string out;
  REQUIRE(append_evaluate(out, in));
  auto back = decode_evaluate(body_of(out));
  REQUIRE(back);
  CHECK(back->execution == in.execution);
  CHECK(back->source == in.source);
  CHECK(back->filename == in.filename);
  CHECK(back->first_line == in.first_line);
  CHECK(back->mode == in.mode);
  CHECK(back->form == in.form);
  CHECK(back->start_before_us == in.start_before_us);
  CHECK(back->max_result_bytes == in.max_result_bytes);
  CHECK(back->request_id == in.request_id);
  CHECK(back->traceparent == in.traceparent);
  CHECK(back->max_output_bytes == in.max_output_bytes);
}

TEST_CASE("what a worker says makes the round trip", "[bridge]") {
  std::string out;
  REQUIRE(append_hello(out, {1, "3.11.2"}));
  CHECK(decode_hello(body_of(out))->python_version == "3.11.2");
  out.clear();
  REQUIRE(append_output(out, {9, true, "text\n"}));
  auto written = decode_output(body_of(out));
  REQUIRE(written);
  CHECK((written->execution == 9 && written->is_stderr && written->text == "text\n"));
  out.clear();
  REQUIRE(append_display(out, {9, "content"}));
  CHECK(decode_display(body_of(out))->content == "content");
  out.clear();
  REQUIRE(append_finished(out, {9, finished::outcome::error, "bytes", 77, true, true}));
  auto ended = decode_finished(body_of(out));
  REQUIRE(ended);
  CHECK((ended->execution == 9 && ended->kind == finished::outcome::error
         && ended->content == "bytes"));
  CHECK((ended->output_bytes == 77 && ended->output_truncated && ended->interrupted));
}

TEST_CASE("damaged messages are malformed", "[bridge]") {
  std::string out;
  evaluate order;
  order.execution = 1;
  REQUIRE(append_evaluate(out, order));
  refuse_damage(out, [](std::string_view body) { return decode_evaluate(body); });
  out.clear();
  REQUIRE(append_hello(out, {1, "3"}));
  refuse_damage(out, [](std::string_view body) { return decode_hello(body); });
  out.clear();
  REQUIRE(append_output(out, {1, false, "x"}));
  refuse_damage(out, [](std::string_view body) { return decode_output(body); });
  out.clear();
  REQUIRE(append_display(out, {1, "x"}));
  refuse_damage(out, [](std::string_view body) { return decode_display(body); });
  out.clear();
  REQUIRE(append_finished(out, {1, finished::outcome::value, "x", 0, false, false}));
  refuse_damage(out, [](std::string_view body) { return decode_finished(body); });
}

TEST_CASE("values out of range are malformed", "[bridge]") {
  std::string out;
  REQUIRE(append_finished(out, {1, static_cast<finished::outcome>(6), "", 0, false, false}));
  CHECK_FALSE(decode_finished(body_of(out)));
  out.clear();
  REQUIRE(append_finished(out, {0, finished::outcome::value, "", 0, false, false}));
  CHECK_FALSE(decode_finished(body_of(out)));
  out.clear();
  evaluate order;
  order.execution = 1;
  order.form = static_cast<value_form>(4);
  REQUIRE(append_evaluate(out, order));
  CHECK_FALSE(decode_evaluate(body_of(out)));
}

TEST_CASE("calls to the application and their answers make the round trip", "[bridge]") {
  std::string out;
  REQUIRE(append_host_call(
      out, {3, 9, host_call::call_kind::call, true, 5, "auth.get", "operands", 250}));
  auto call = decode_host_call(body_of(out));
  REQUIRE(call);
  CHECK((call->execution == 3 && call->call == 9 && call->kind == host_call::call_kind::call));
  CHECK((call->blocking && call->host == 5 && call->name == "auth.get"));
  CHECK((call->operands == "operands" && call->timeout_ms == 250));
  out.clear();
  REQUIRE(append_host_call(out, {0, 0, host_call::call_kind::cast, false, 0, "n", "x", 0}));
  CHECK(decode_host_call(body_of(out))->kind == host_call::call_kind::cast);
  out.clear();
  REQUIRE(append_host_result(out, {9, host_result::outcome::error, "content", 5}));
  auto answer = decode_host_result(body_of(out));
  REQUIRE(answer);
  CHECK((answer->call == 9 && answer->kind == host_result::outcome::error));
  CHECK((answer->content == "content" && answer->host == 5));
  out.clear();
  REQUIRE(append_host_drop(out, {9}));
  CHECK(decode_host_drop(body_of(out))->call == 9);
  out.clear();
  REQUIRE(append_note(out, {3, note::note_kind::progress, "content"}));
  auto told = decode_note(body_of(out));
  REQUIRE(told);
  CHECK((told->execution == 3 && told->kind == note::note_kind::progress));
  CHECK(told->content == "content");
  out.clear();
  evaluate order;
  order.execution = 1;
  order.host = 6;
  order.within = 7;
  REQUIRE(append_evaluate(out, order));
  CHECK(decode_evaluate(body_of(out))->host == 6);
  CHECK(decode_evaluate(body_of(out))->within == 7);
}

TEST_CASE("input of a web application makes the round trip", "[bridge]") {
  using kind = app_input::input_kind;
  std::string out;
  REQUIRE(append_app_input(out, {3, kind::disconnect, 1001, "content"}));
  auto input = decode_app_input(body_of(out));
  REQUIRE(input);
  CHECK((input->execution == 3 && input->kind == kind::disconnect && input->code == 1001));
  CHECK(input->content == "content");
  refuse_damage(out, [](std::string_view body) { return decode_app_input(body); });
  out.clear();
  REQUIRE(append_app_taken(out, {3, 70'000}));
  auto taken = decode_app_taken(body_of(out));
  REQUIRE(taken);
  CHECK((taken->execution == 3 && taken->bytes == 70'000));
  refuse_damage(out, [](std::string_view body) { return decode_app_taken(body); });
  out.clear();
  REQUIRE(append_app_input(out, {3, static_cast<kind>(6), 0, ""}));
  CHECK_FALSE(decode_app_input(body_of(out)));
  out.clear();
  REQUIRE(append_app_taken(out, {3, 0}));
  CHECK_FALSE(decode_app_taken(body_of(out)));
}

TEST_CASE("damaged calls to the application are malformed", "[bridge]") {
  std::string out;
  REQUIRE(append_host_call(out, {3, 9, host_call::call_kind::call, true, 5, "f", "x", 1}));
  refuse_damage(out, [](std::string_view body) { return decode_host_call(body); });
  out.clear();
  REQUIRE(append_host_result(out, {9, host_result::outcome::value, "x", 5}));
  refuse_damage(out, [](std::string_view body) { return decode_host_result(body); });
  out.clear();
  REQUIRE(append_host_drop(out, {9}));
  refuse_damage(out, [](std::string_view body) { return decode_host_drop(body); });
  out.clear();
  REQUIRE(append_note(out, {3, note::note_kind::log, "x"}));
  refuse_damage(out, [](std::string_view body) { return decode_note(body); });
}

TEST_CASE("parts of calls out of range are malformed", "[bridge]") {
  std::string out;
  REQUIRE(
      append_host_call(out, {0, 1, static_cast<host_call::call_kind>(5), false, 0, "f", "x", 0}));
  CHECK_FALSE(decode_host_call(body_of(out)));
  out.clear();
  REQUIRE(append_host_result(out, {1, static_cast<host_result::outcome>(7), "x", 0}));
  CHECK_FALSE(decode_host_result(body_of(out)));
  out.clear();
  REQUIRE(append_host_result(out, {0, host_result::outcome::value, "x", 0}));
  CHECK_FALSE(decode_host_result(body_of(out)));
  out.clear();
  REQUIRE(append_host_drop(out, {0}));
  CHECK_FALSE(decode_host_drop(body_of(out)));
  out.clear();
  REQUIRE(append_note(out, {1, static_cast<note::note_kind>(3), "x"}));
  CHECK_FALSE(decode_note(body_of(out)));
}
