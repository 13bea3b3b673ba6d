#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// A part of a call, said by one side.
struct Utterance {
  std::string speaker;  ///< `user`, `assistant`, or another name from the telephony system
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Utterance, (), (speaker, text))

/// A call has ended. Without a summary and a transcript, the summary is read from `call_summaries`.
struct CallTerminated {
  static constexpr std::string_view type = "omnibus.call.terminated.v1";
  std::string domain;
  std::string call_id;       ///< the telephony system's id; one per call and domain
  std::string phone_number;  ///< E.164, of the person who gets the summary
  std::optional<std::string> summary{};
  std::optional<std::vector<Utterance>> transcript{};
};
BOOST_DESCRIBE_STRUCT(CallTerminated, (), (domain, call_id, phone_number, summary, transcript))

inline Subjects subjects_of(CallTerminated const&, std::string_view record_key) {
  return subjects_of_key(record_key);
}

/// Rules of a call's schema beyond its types: the first broken one, or nothing.
std::optional<InvalidField> validate(CallTerminated const& call);

}  // namespace omnibus
