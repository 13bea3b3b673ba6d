/// What the oddities are made of: a correct answer's documents, changed, and then framed. Pure.
#pragma once

#include "compose/simulator/oddities/oddity.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace omnibus::simulator {

/// The chunks of a stream, or the one document of an answer that comes whole.
using Documents = std::vector<boost::json::object>;

Documents documents_of(UsualAnswer const& usual);
/// Correctly framed: as events with [DONE] when the answer is streamed, else as one document.
OddReply framed(Documents const& documents, bool stream);
/// The headers of a stream, of a document.
http::Headers event_stream_headers();
http::Headers json_headers();

/// The first choice of a document; null when it has none, as the chunk with the usage.
boost::json::object* choice_of(boost::json::object& document);
/// Its delta or message.
boost::json::object* part_of(boost::json::object& document);
/// Its finish reason; empty when it has none yet.
std::string_view finish_of(boost::json::object& document);
/// The words of its delta or message; null when it has none.
boost::json::string* words_in(boost::json::object& document);
/// The tool calls of its delta or message; null when it has none.
boost::json::array* calls_in(boost::json::object& document);
/// The usage; null when it has none.
boost::json::object* usage_in(boost::json::object& document);

/// A chunk like this one, with another delta and not finished.
boost::json::object chunk_like(boost::json::object const& chunk, boost::json::object delta);
/// Replaces the finish reason in all documents that have one.
void finish_with(Documents& documents, std::string_view reason);

/// For the table: an oddity that changes documents, and one that concerns only streams.
template <void (*change)(Documents&)>
std::optional<OddReply> changed(UsualAnswer const& usual) {
  auto documents = documents_of(usual);
  change(documents);
  return framed(documents, usual.stream);
}
template <void (*change)(Documents&)>
std::optional<OddReply> changed_stream(UsualAnswer const& usual) {
  return usual.stream ? changed<change>(usual) : std::nullopt;
}
/// For the table: an oddity that changes the answer before it is written.
template <void (*change)(Answer&)>
std::optional<OddReply> changed_answer(UsualAnswer const& usual) {
  auto other = usual;
  change(other.answer);
  return framed(documents_of(other), other.stream);
}

}  // namespace omnibus::simulator
