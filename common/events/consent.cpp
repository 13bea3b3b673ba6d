#include "events/consent.hpp"

#include "text/rules.hpp"

#include <algorithm>

namespace omnibus {
namespace {

constexpr std::size_t longest_session_id = 255;
constexpr std::size_t longest_text_version = 64;
constexpr std::size_t longest_source = 40;

bool is_source(std::string_view text) {
  return !text.empty() && text.size() <= longest_source &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

}  // namespace

std::optional<InvalidField> validate(ChatConsentRecorded const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::length("session_id", event.session_id, longest_session_id)) return invalid;
  auto const& purposes = event.purposes;
  if (!purposes.processing && !purposes.analytics && !purposes.marketing && !purposes.deep_analysis)
    return InvalidField{"purposes", "must have processing, analytics, marketing or deep_analysis"};
  if (event.text_version)
    if (auto invalid = rules::length("text_version", *event.text_version, longest_text_version)) return invalid;
  if (!is_source(event.source)) return InvalidField{"source", "must have 1 to 40 of a-z and _"};
  return std::nullopt;
}

}  // namespace omnibus
