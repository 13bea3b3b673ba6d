/// The builders of the oddities' replies, by what they spoil; the table gives them their names. Pure.
#pragma once

#include "compose/simulator/oddities/oddity.hpp"
#include "compose/simulator/oddities/spoil.hpp"

namespace omnibus::simulator::odd {

// Frames: the same documents, sent in another way.
std::optional<OddReply> all_at_once(UsualAnswer const&);
std::optional<OddReply> stream_unasked(UsualAnswer const&);
std::optional<OddReply> stream_called_json(UsualAnswer const&);
std::optional<OddReply> no_empty_line_at_the_end(UsualAnswer const&);
std::optional<OddReply> open_after_done(UsualAnswer const&);
std::optional<OddReply> open_without_done(UsualAnswer const&);
std::optional<OddReply> no_done(UsualAnswer const&);
std::optional<OddReply> breaks_after_finish(UsualAnswer const&);
std::optional<OddReply> data_without_space(UsualAnswer const&);
std::optional<OddReply> crlf_lines(UsualAnswer const&);
std::optional<OddReply> cr_lines(UsualAnswer const&);
std::optional<OddReply> byte_order_mark(UsualAnswer const&);
std::optional<OddReply> keep_alive_comments(UsualAnswer const&);
std::optional<OddReply> keep_alive_as_data(UsualAnswer const&);
std::optional<OddReply> null_as_data(UsualAnswer const&);
std::optional<OddReply> empty_data(UsualAnswer const&);
std::optional<OddReply> ping_events(UsualAnswer const&);
std::optional<OddReply> byte_by_byte(UsualAnswer const&);
std::optional<OddReply> blank_lines_around(UsualAnswer const&);
std::optional<OddReply> gzip_unasked(UsualAnswer const&);

// Words: what the model said, and where it stands.
void content_in_parts(Documents&);
void thought_in_parts(Documents&);
void thought_in_tags(Documents&);
void thought_without_opening_tag(Documents&);
void thought_in_channels(Documents&);
void thought_in_reasoning_content(Documents&);
void thought_in_reasoning(Documents&);
void only_thought(Documents&);
void only_blanks(Documents&);
void nothing_said(Documents&);
void repeated_at_the_end(Documents&);
void filtered_midway(Documents&);
void refusal_in_its_field(Answer&);
void call_as_text(Answer&);
std::optional<OddReply> half_a_pair(UsualAnswer const&);

// Fields: of chunks and choices.
void filter_results_first(Documents&);
void filter_results_later(Documents&);
void choices_null(Documents&);
void choices_missing(Documents&);
void delta_null(Documents&);
void delta_missing(Documents&);
void finish_empty(Documents&);
void finish_null_as_text(Documents&);
void finish_in_every_chunk(Documents&);
void finish_with_the_last_words(Documents&);
void finish_twice(Documents&);
void no_finish(Documents&);
void finish_in_own_words(Documents&);
void finish_end_turn(Documents&);
void nulls_everywhere(Documents&);
void empty_tool_calls(Documents&);
void created_as_float(Documents&);
void no_id(Documents&);
void choices_counted_up(Documents&);
void delta_and_message(Documents&);

// Usage.
void negative_usage(Documents&);
void usage_not_whole_numbers(Documents&);
void usage_in_strings(Documents&);
void usage_is_a_word(Documents&);
void usage_of_zeros(Documents&);
void usage_in_every_chunk(Documents&);
void usage_with_the_finish(Documents&);
void usage_more_thoughts(Documents&);
void usage_details_null(Documents&);
void usage_elsewhere(Documents&);
void no_usage(Documents&);

// Tool calls.
void calls_from_one(Documents&);
void calls_share_an_index(Documents&);
void calls_without_index(Documents&);
void call_without_id(Documents&);
void calls_with_empty_ids(Documents&);
void name_in_every_piece(Documents&);
void name_later(Documents&);
void ids_and_names_null(Documents&);
void arguments_as_object(Documents&);
void arguments_empty(Documents&);
void arguments_missing(Documents&);
void arguments_null_first(Documents&);
void arguments_encoded_twice(Documents&);
void arguments_repeated(Documents&);
void call_in_one_chunk(Documents&);
void calls_finish_with_stop(Documents&);
void function_call(Documents&);

/// A tool oddity with two calls: the answer's and its second one.
template <void (*change)(Documents&)>
std::optional<OddReply> two_calls(UsualAnswer const& usual) {
  auto other = usual;
  auto& calls = other.answer.calls;
  if (!calls.empty() && other.answer.second_call) calls.push_back(*other.answer.second_call);
  return changed<change>(other);
}

// Errors, in place of an answer or within it.
std::optional<OddReply> come_back_tomorrow(UsualAnswer const&);
std::optional<OddReply> retry_after_a_date(UsualAnswer const&);
std::optional<OddReply> retry_after_ms(UsualAnswer const&);
std::optional<OddReply> context_size_in_other_words(UsualAnswer const&);
std::optional<OddReply> error_at_the_top(UsualAnswer const&);
std::optional<OddReply> error_in_a_list(UsualAnswer const&);
std::optional<OddReply> error_as_text(UsualAnswer const&);
std::optional<OddReply> error_as_detail(UsualAnswer const&);
std::optional<OddReply> error_with_200(UsualAnswer const&);
std::optional<OddReply> error_in_base_resp(UsualAnswer const&);
std::optional<OddReply> error_in_the_stream(UsualAnswer const&);
std::optional<OddReply> error_as_event(UsualAnswer const&);
std::optional<OddReply> error_as_field(UsualAnswer const&);
std::optional<OddReply> error_without_frame(UsualAnswer const&);
std::optional<OddReply> error_as_finish(UsualAnswer const&);
std::optional<OddReply> error_in_the_choice(UsualAnswer const&);
std::optional<OddReply> filtered_prompt(UsualAnswer const&);
std::optional<OddReply> tool_use_failed(UsualAnswer const&);
std::optional<OddReply> overloaded_529(UsualAnswer const&);
std::optional<OddReply> quota_with_429(UsualAnswer const&);
std::optional<OddReply> payment_required(UsualAnswer const&);
std::optional<OddReply> html_with_200(UsualAnswer const&);
std::optional<OddReply> html_with_502(UsualAnswer const&);
std::optional<OddReply> empty_with_200(UsualAnswer const&);
std::optional<OddReply> no_choices(UsualAnswer const&);

}  // namespace omnibus::simulator::odd
