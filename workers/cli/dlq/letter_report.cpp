#include "workers/cli/dlq/letter_report.hpp"

#include "workers/cli/terminal/terminal.hpp"

#include <string_view>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

constexpr std::size_t longest_reason = 60;
constexpr std::size_t longest_value = 1024;

std::string state_of(engine::DeadLetter const& letter, LetterActions const& actions) {
  if (!actions) return "unknown";
  auto const found = actions->find(letter.id);
  return found == actions->end() ? "open" : std::string{postgres::to_string(found->second)};
}

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

}  // namespace

LetterLine line_of(engine::DeadLetter const& letter, LetterActions const& actions) {
  return {letter.topic,
          letter.partition,
          letter.offset,
          utc(letter.timestamp_ms),
          key_hash(letter.original.key),
          letter.event ? letter.event->id : "",
          letter.event ? letter.event->type : "",
          letter.error_class,
          letter.attempts,
          letter.redrives,
          letter.worker,
          letter.group,
          letter.message,
          state_of(letter, actions),
          letter.truncated};
}

RefusedLine line_of(StoredRefusal const& refusal) {
  auto const event = engine::envelope_of(refusal.record);
  return {refusal.row,
          refusal.record.topic,
          utc(refusal.created_ms),
          key_hash(refusal.record.key),
          event ? event->id : "",
          event ? event->type : "",
          refusal.worker,
          refusal.bytes,
          refusal.attempts,
          refusal.next_ms ? utc(*refusal.next_ms) : "",
          refusal.reason};
}

LetterDetails details_of(engine::DeadLetter const& letter, LetterActions const& actions, bool with_payload) {
  LetterDetails details;
  static_cast<LetterLine&>(details) = line_of(letter, actions);
  details.letter_id = to_string(letter.id);
  details.source = letter.event ? letter.event->source : "";
  details.first_seen = letter.first_seen;
  details.failed_record = letter.from;
  details.not_an_event = letter.not_an_event;
  details.tombstone = !letter.original.value;
  details.payload_bytes = static_cast<std::int64_t>(letter.original.value.value_or("").size());
  for (auto const& [name, value] : letter.original.headers) details.headers.push_back({name, value});
  if (with_payload) details.payload = letter.original.value;
  return details;
}

LetterDetails details_of(StoredRefusal refusal, bool with_payload) {
  engine::DeadLetter shown;
  shown.topic = refusal.record.topic;
  shown.timestamp_ms = refusal.created_ms;
  shown.error_class = "refused";
  shown.message = std::move(refusal.reason);
  shown.attempts = std::to_string(refusal.attempts);
  shown.worker = std::move(refusal.worker);
  engine::restore(shown, std::move(refusal.record));
  auto details = details_of(shown, std::nullopt, with_payload);
  details.row = refusal.row;
  details.letter_id.clear();
  details.state = "refused";
  return details;
}

std::string text_of(LetterListing const& listing, std::size_t limit) {
  if (listing.classes.empty() && listing.refused.empty()) return "no dead letters\n";
  std::string refused;
  if (!listing.refused.empty()) {
    Table rows{{"REFUSED ROW", "TOPIC", "TIME", "KEY HASH", "EVENT", "TYPE", "WORKER", "BYTES", "ATTEMPTS", "NEXT TRY",
                "REASON"}};
    for (auto const& each : listing.refused)
      rows.add({std::to_string(each.row), each.topic, each.time, each.key_hash, or_dash(printable(each.event_id, 64)),
                or_dash(printable(each.type, 64)), each.worker, std::to_string(each.bytes),
                std::to_string(each.attempts), or_dash(each.next_try), printable(each.reason, longest_reason)});
    refused = rows.text() + "omnibus dlq redrive --refused publishes them again, once the cause is gone\n";
    if (listing.classes.empty()) return refused;
    refused.insert(0, "\n");
  }
  Table classes{{"TOPIC", "CLASS", "WORKER", "OPEN", "REDRIVEN", "DROPPED"}};
  for (auto const& each : listing.classes)
    classes.add({each.topic, or_dash(each.error_class), or_dash(each.worker), std::to_string(each.open),
                 std::to_string(each.redriven), std::to_string(each.dropped)});
  Table letters{
      {"TOPIC", "LETTER", "TIME", "KEY HASH", "EVENT", "TYPE", "CLASS", "ATTEMPTS", "REDRIVES", "STATE", "REASON"}};
  for (auto const& each : listing.letters)
    letters.add({each.topic, fmt::format("{}/{}", each.partition, each.offset), each.time, each.key_hash,
                 or_dash(printable(each.event_id, 64)), or_dash(printable(each.type, 64)), or_dash(each.error_class),
                 or_dash(each.attempts), std::to_string(each.redrives), each.state,
                 printable(each.reason, longest_reason)});
  auto text = classes.text() + '\n' + letters.text();
  text += refused;
  if (listing.letters.size() == limit) text += fmt::format("the newest {}; --limit shows more\n", limit);
  return text;
}

std::string text_of(LetterDetails const& letter) {
  std::string text;
  auto const say = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format("{:<15}{}\n", name, printable(value, longest_value));
  };
  say(letter.row != 0 ? "refused row" : "letter",
      letter.row != 0 ? fmt::format("{} to {}", letter.row, letter.topic)
                      : fmt::format("{} {}/{}", letter.topic, letter.partition, letter.offset));
  say("id", letter.letter_id);
  say("state", letter.state);
  say("time", letter.time);
  say("key hash", letter.key_hash);
  say("class", letter.error_class);
  say("reason", letter.reason);
  say("attempts", letter.attempts);
  say("redrives", std::to_string(letter.redrives));
  say("worker", letter.worker);
  say("group", letter.group);
  say("first failed", letter.first_seen);
  say("failed record", letter.failed_record);
  say("event", letter.event_id);
  say("source", letter.source);
  say("type", letter.type);
  say("no event", letter.not_an_event);
  if (letter.kept_bytes > 0)
    say("whole record", fmt::format("{} bytes with the letter's headers, kept in the database", letter.kept_bytes));
  say("payload", letter.tombstone ? "none (a tombstone)" : fmt::format("{} bytes", letter.payload_bytes));
  text += "headers\n";
  for (auto const& [name, value] : letter.headers)
    text += fmt::format("  {}: {}\n", printable(name, longest_value),
                        value ? printable(*value, longest_value) : "(absent)");
  if (letter.payload) text += fmt::format("\n{}\n", printable(*letter.payload));
  return text;
}

std::string text_of(ActionSummary const& summary) {
  std::string text;
  if (summary.left_over > 0)
    text = fmt::format("{} sent for a redrive that did not live to send them\n", summary.left_over);
  return text +
         fmt::format(
             "{} {}{}, {} taken before or by others, {} waiting for an earlier letter of their key, {} refused\n",
             summary.acted, summary.dry_run ? "would be " : "", summary.action, summary.already_taken, summary.waiting,
             summary.refused);
}

}  // namespace omnibus::cli
