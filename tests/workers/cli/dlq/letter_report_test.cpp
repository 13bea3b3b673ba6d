#include "workers/cli/dlq/letter_report.hpp"

#include "json/encode.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::cli;

namespace {

engine::DeadLetter letter() {
  engine::DeadLetter letter;
  letter.id = *parse_uuid("0e0f9c5c-5c6b-4d6e-8a39-1d6f5e1f7a01");
  letter.topic = "chat.messages.dlq";
  letter.partition = 3;
  letter.offset = 17;
  letter.timestamp_ms = 1'795'168'800'000;
  letter.original = {"chat.messages", "visitor-1", "what a person wrote", {{"ce_id", "e-1"}}, {}};
  letter.error_class = "unknown_tenant";
  letter.message = "there is \x1b[2J no such tenant";
  return letter;
}

bool holds(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a letter is open until somebody acted on it, and of unknown state without a database") {
  auto const one = letter();
  CHECK(line_of(one, {}).state == "unknown");
  LetterActions actions{std::in_place};
  CHECK(line_of(one, actions).state == "open");
  actions->emplace(one.id, postgres::LetterAction::dropped);
  CHECK(line_of(one, actions).state == "dropped");
}

TEST_CASE("neither a listing nor a letter shows its key, or its payload unasked, or harms a terminal") {
  auto const one = letter();
  LetterListing listing;
  listing.classes.push_back({one.topic, one.error_class, one.worker, 1, 0, 0});
  listing.letters.push_back(line_of(one, {}));
  auto const details = details_of(one, {}, false);
  for (auto const& text : {text_of(listing, 50), text_of(details), json::encode(listing), json::encode(details)}) {
    CAPTURE(text);
    CHECK(holds(text, "unknown_tenant"));
    CHECK(!holds(text, "visitor-1"));
    CHECK(!holds(text, "what a person wrote"));
    CHECK(!holds(text, "\x1b"));
  }
  CHECK(holds(text_of(listing, 50), "3/17"));
  CHECK(holds(text_of(details_of(one, {}, true)), "what a person wrote"));
}

TEST_CASE("a payload that is empty is told from one that never was") {
  auto one = letter();
  one.original.value = "";
  CHECK(holds(text_of(details_of(one, {}, false)), "0 bytes"));
  one.original.value.reset();
  CHECK(holds(text_of(details_of(one, {}, false)), "a tombstone"));
}

TEST_CASE("a listing says that there may be more than it shows") {
  LetterListing listing;
  CHECK(text_of(listing, 1) == "no dead letters\n");
  listing.classes.push_back({"chat.messages.dlq", "", "chat", 2, 0, 0});
  listing.letters.push_back(line_of(letter(), {}));
  CHECK(holds(text_of(listing, 1), "--limit shows more"));
  CHECK(!holds(text_of(listing, 2), "--limit shows more"));
}
