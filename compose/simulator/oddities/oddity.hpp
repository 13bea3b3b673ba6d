/// The odd ways in which real servers and proxies answer on the chat-completions wire, by name. Pure.
#pragma once

#include "compose/simulator/wire.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace omnibus::simulator {

/// A correct answer, and how it was asked for.
struct UsualAnswer {
  Answer answer;
  bool stream = false;
  bool include_usage = false;
};

/// What an odd server sends instead.
struct OddReply {
  enum class End {
    complete,    ///< as HTTP demands
    stays_open,  ///< nothing more comes, and no end
    breaks,      ///< the connection is reset
  };
  int status = 200;
  http::Headers headers;
  std::string body;
  End end = End::complete;
  std::size_t piece = 0;  ///< bytes that are sent at once; 0: all
  bool answered = true;   ///< whether a provider would charge for it
};

/// One odd way. A correct answer that it does not concern, such as one without tool calls, gives no odd reply.
struct OddWay {
  std::string_view name;
  std::string_view what;    ///< what the server does
  std::string_view must;    ///< what a client must make of it
  std::string_view who;     ///< where it was seen
  std::string_view source;  ///< a public report: `owner/repository#number`; empty when none was found
  std::optional<OddReply> (*reply)(UsualAnswer const& usual);
};

/// All of them, in the order of the documentation.
std::span<OddWay const> oddities();
/// @throws std::invalid_argument that lists the names, when there is none of this name.
OddWay const& find_oddity(std::string_view name);
/// The list for --help and README: a Markdown table.
std::string oddities_as_markdown();

}  // namespace omnibus::simulator
