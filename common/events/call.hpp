#pragma once

#include "text/invalid_field.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// What one side of a call said.
struct Utterance {
  std::string speaker;  ///< `user`, `assistant`, or whatever the telephony calls them
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Utterance, (), (speaker, text))

/// A call has ended. With neither a summary nor a transcript the summary is looked for in `call_summaries`.
struct CallTerminated {
  static constexpr std::string_view type = "omnibus.call.terminated.v1";
  std::string domain;
  std::string call_id;       ///< as the telephony names it; one per call and domain
  std::string phone_number;  ///< E.164, whose summary it is
  std::optional<std::string> summary{};
  std::optional<std::vector<Utterance>> transcript{};
};
BOOST_DESCRIBE_STRUCT(CallTerminated, (), (domain, call_id, phone_number, summary, transcript))

/// What the schema of a call asks beyond its types: the first rule broken, or nothing.
std::optional<InvalidField> validate(CallTerminated const& call);

}  // namespace omnibus
