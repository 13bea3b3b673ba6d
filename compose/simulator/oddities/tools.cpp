#include "compose/simulator/oddities/builders.hpp"

#include <functional>
#include <map>
#include <string>

#include <boost/json.hpp>

namespace omnibus::simulator::odd {
namespace {

namespace json = boost::json;

/// Every piece of a call, and whether it is the one that begins it. In a message each call is one piece.
void each_piece(Documents& documents, std::function<void(json::object& call, bool begins)> const& change) {
  for (auto& document : documents)
    if (auto* const calls = calls_in(document))
      for (auto& call : *calls) change(call.get_object(), call.get_object().contains("id"));
}

json::object& function_of(json::object& call) {
  return call["function"].get_object();
}

/// The arguments of all pieces of a call, by the call's index.
std::map<std::int64_t, std::string> whole_arguments(Documents& documents) {
  std::map<std::int64_t, std::string> arguments;
  std::int64_t place = 0;
  for (auto& document : documents) {
    auto* const calls = calls_in(document);
    if (calls == nullptr) continue;
    for (auto& call : *calls) {
      auto const* const index = call.get_object().if_contains("index");
      auto const key = index != nullptr ? index->to_number<std::int64_t>() : place++;
      arguments[key] += std::string(function_of(call.get_object())["arguments"].get_string());
    }
  }
  return arguments;
}

/// Puts all arguments of a call, made into this, into the piece that begins it; the other pieces are gone.
void arguments_at_once(Documents& documents, std::function<json::value(std::string const&)> const& make) {
  auto const arguments = whole_arguments(documents);
  auto next = arguments.begin();
  for (auto document = documents.begin(); document != documents.end();) {
    auto* const calls = calls_in(*document);
    auto const continues = calls != nullptr && !calls->empty() && !calls->front().get_object().contains("id");
    if (!continues && calls != nullptr) {
      for (auto& call : *calls) function_of(call.get_object())["arguments"] = make((next++)->second);
    }
    document = continues ? documents.erase(document) : std::next(document);
  }
}

}  // namespace

void calls_from_one(Documents& documents) {
  each_piece(documents, [](json::object& call, bool) {
    if (auto* const index = call.if_contains("index")) *index = index->to_number<std::int64_t>() + 1;
  });
}

void calls_share_an_index(Documents& documents) {
  each_piece(documents, [](json::object& call, bool) {
    if (call.contains("index")) call["index"] = 0;
  });
}

void calls_without_index(Documents& documents) {
  arguments_at_once(documents, [](std::string const& all) { return json::value(all); });
  each_piece(documents, [](json::object& call, bool) { call.erase("index"); });
}

void call_without_id(Documents& documents) {
  each_piece(documents, [](json::object& call, bool) { call.erase("id"); });
}

void calls_with_empty_ids(Documents& documents) {
  calls_without_index(documents);
  each_piece(documents, [](json::object& call, bool) { call["id"] = ""; });
}

void name_in_every_piece(Documents& documents) {
  json::object latest;
  each_piece(documents, [&](json::object& call, bool begins) {
    if (begins) latest = call;
    call["id"] = latest.at("id");
    call["type"] = "function";
    function_of(call)["name"] = function_of(latest)["name"];
  });
}

void name_later(Documents& documents) {
  json::value name;
  each_piece(documents, [&](json::object& call, bool begins) {
    if (begins && call.contains("index")) {
      name = function_of(call)["name"];
      function_of(call)["name"] = "";
    } else if (name.is_string()) {
      function_of(call)["name"] = std::exchange(name, nullptr);
    }
  });
}

void ids_and_names_null(Documents& documents) {
  each_piece(documents, [](json::object& call, bool begins) {
    if (begins) return;
    call["id"] = nullptr;
    call["type"] = nullptr;
    function_of(call)["name"] = nullptr;
  });
}

void arguments_as_object(Documents& documents) {
  arguments_at_once(documents, [](std::string const& all) { return json::parse(all); });
}

void arguments_empty(Documents& documents) {
  arguments_at_once(documents, [](std::string const&) { return json::value(""); });
}

void arguments_missing(Documents& documents) {
  arguments_empty(documents);
  each_piece(documents, [](json::object& call, bool) { function_of(call).erase("arguments"); });
}

void arguments_null_first(Documents& documents) {
  each_piece(documents, [](json::object& call, bool begins) {
    if (begins && call.contains("index")) function_of(call)["arguments"] = nullptr;
  });
}

void arguments_encoded_twice(Documents& documents) {
  arguments_at_once(documents, [](std::string const& all) { return json::value(json::serialize(json::value(all))); });
}

void arguments_repeated(Documents& documents) {
  auto const arguments = whole_arguments(documents);
  for (std::size_t i = 0; i < documents.size() && !arguments.empty(); ++i) {
    if (finish_of(documents[i]).empty()) continue;
    json::array calls;
    for (auto const& [index, all] : arguments) calls.push_back({{"index", index}, {"function", {{"arguments", all}}}});
    documents.insert(documents.begin() + static_cast<std::ptrdiff_t>(i),
                     chunk_like(documents[i], {{"tool_calls", std::move(calls)}}));
    return;
  }
}

void call_in_one_chunk(Documents& documents) {
  arguments_at_once(documents, [](std::string const& all) { return json::value(all); });
  finish_with_the_last_words(documents);
}

void calls_finish_with_stop(Documents& documents) {
  finish_with(documents, "stop");
}

void function_call(Documents& documents) {
  auto found = false;
  for (auto& document : documents) {
    auto* const calls = calls_in(document);
    if (calls == nullptr) continue;
    auto function = function_of(calls->front().get_object());
    part_of(document)->erase("tool_calls");
    (*part_of(document))["function_call"] = std::move(function);
    found = true;
  }
  if (found) finish_with(documents, "function_call");
}

}  // namespace omnibus::simulator::odd
