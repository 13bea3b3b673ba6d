#include "events/call.hpp"

#include "text/rules.hpp"

namespace omnibus {
namespace {

constexpr std::size_t max_call_id = 255;
constexpr std::size_t max_summary = 16'000;
constexpr std::size_t max_utterances = 2'000;
constexpr std::size_t max_speaker = 64;
constexpr std::size_t max_utterance = 16'000;

std::optional<InvalidField> validate_transcript(std::vector<Utterance> const& transcript) {
  if (transcript.size() > max_utterances)
    return InvalidField{"transcript", "must have at most " + std::to_string(max_utterances) + " utterances"};
  for (auto const& utterance : transcript) {
    if (auto invalid = rules::length("transcript.speaker", utterance.speaker, max_speaker)) return invalid;
    if (auto invalid = rules::length("transcript.text", utterance.text, max_utterance)) return invalid;
  }
  return std::nullopt;
}

}  // namespace

std::optional<InvalidField> validate(CallTerminated const& call) {
  if (auto invalid = rules::domain("domain", call.domain)) return invalid;
  if (auto invalid = rules::length("call_id", call.call_id, max_call_id)) return invalid;
  if (auto invalid = rules::e164("phone_number", call.phone_number)) return invalid;
  if (call.summary)
    if (auto invalid = rules::length("summary", *call.summary, max_summary)) return invalid;
  return call.transcript ? validate_transcript(*call.transcript) : std::nullopt;
}

}  // namespace omnibus
