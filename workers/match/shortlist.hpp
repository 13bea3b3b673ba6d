/// How a batch chooses from its candidates. Pure.
#pragma once

#include "llm/llm.hpp"
#include "text/invalid_field.hpp"
#include "workers/match/pair.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::match {

/// The first pairs of a list that give nobody more than `most_per_person`, in its order, at most `limit`.
std::vector<Pair> spread_fairly(std::vector<Pair> const& ordered, std::size_t most_per_person, std::size_t limit);

/// At most so many pairs are in the question that shortens a list.
inline constexpr std::size_t longest_question = 200;

/// A list that is longer than its batch: its better part is taken as it is, and a model chooses from the pairs around
/// the batch's end, so that the question stays short.
struct Shortening {
  std::size_t kept = 0;     ///< the first so many are taken
  std::size_t offered = 0;  ///< a model chooses from so many after them
  std::size_t wanted = 0;   ///< so many
};

/// @param candidates more than `batch_size`; @param batch_size at least 1
Shortening shorten(std::size_t candidates, std::size_t batch_size);

/// So many pairs more than a batch has are of use to shorten().
inline constexpr std::size_t spare_candidates = longest_question / 2;

/// A pair as the question shows it.
struct OfferedPair {
  std::int64_t number = 0;
  std::string a_seeks, a_offers, b_seeks, b_offers;
};
BOOST_DESCRIBE_STRUCT(OfferedPair, (), (number, a_seeks, a_offers, b_seeks, b_offers))

/// A model's answer: the numbers of the chosen pairs.
struct Shortlist {
  static constexpr std::string_view form = "shortlist.v1";
  std::vector<std::int64_t> pairs;
};
BOOST_DESCRIBE_STRUCT(Shortlist, (), (pairs))

/// Only numbers that were given, and no more than wanted.
std::optional<InvalidField> check(Shortlist const& shortlist, Shortening const& shortening);

std::vector<llm::Message> shortlist_prompt(std::vector<OfferedPair> const& offered, Shortening const& shortening);

/// The batch: what is kept, what the model chose, and, where it chose too few or nothing, the next ones; all in the
/// list's order.
std::vector<Pair> take(std::vector<Pair> const& candidates, Shortening const& shortening,
                       std::vector<std::int64_t> const& chosen);

}  // namespace omnibus::match
