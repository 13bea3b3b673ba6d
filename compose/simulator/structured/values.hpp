/// The leaves of structured answers: numbers, texts and words. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace omnibus::simulator {

/// A number within the schema's bounds; where it has none, one that fits the property's name. `hash` chooses.
boost::json::value invented_number(boost::json::object const& schema, std::string_view path, bool whole,
                                   std::uint64_t hash);
/// A text of the schema's format and length, from the question's words. `hash` chooses.
std::string invented_text(boost::json::object const& schema, std::string_view path, std::string_view question,
                          std::uint64_t hash);
/// The question's words, in lower case and each once; never none.
std::vector<std::string> words_of(std::string_view question);
/// Two schemas that must both be met. Of a keyword in both, the second one's counts; properties and required names
/// are joined.
boost::json::object merged(boost::json::object first, boost::json::object const& second);

}  // namespace omnibus::simulator
