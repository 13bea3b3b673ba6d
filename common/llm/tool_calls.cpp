#include "llm/tool_calls.hpp"

#include "json/encode.hpp"
#include "json/loose.hpp"
#include "json/members.hpp"
#include "json/repair.hpp"
#include "text/words.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace omnibus::llm {
namespace {

using json::LooseReader;

constexpr std::size_t deepest_arguments = 64;

/// Whether the piece may belong to this call: it is not, if it names another tool, or adds to what is complete.
bool may_continue(ToolCall const& call, CallPiece const& piece) {
  if (piece.name.empty() || call.name.empty()) return true;
  if (piece.name != call.name) return false;
  return piece.arguments.empty() || piece.arguments == call.arguments || !json::is_loose_object(call.arguments);
}

/// The same value by all rules of JSON: text well-formed, control characters escaped. False for what is none.
bool rewrite(LooseReader& reader, std::string& out, std::size_t depth) {
  if (depth > deepest_arguments) return false;
  auto fits = true;
  auto const separate = [&] {
    if (out.back() != '{' && out.back() != '[') out += ',';
  };
  switch (reader.peek()) {
    case '{':
      out += '{';
      fits = reader.object([&](std::string_view key) {
        separate();
        json::append_string(out, json::repaired_text(key));
        out += ':';
        fits = rewrite(reader, out, depth + 1) && fits;
      }) && fits;
      out += '}';
      return fits;
    case '[':
      out += '[';
      fits = reader.array([&] {
        separate();
        fits = rewrite(reader, out, depth + 1) && fits;
      }) && fits;
      out += ']';
      return fits;
    case '"': {
      std::string text;
      if (!reader.string(text)) return false;
      json::append_string(out, json::repaired_text(text));
      return true;
    }
    default:
      out += reader.raw();
      return reader.good();
  }
}

/// The last object of those that stand one behind another, an empty one only when there is no other.
std::optional<std::string> last_object(std::string_view text) {
  LooseReader reader(text);
  std::optional<std::string> last;
  while (reader.peek() == '{') {
    std::string object;
    if (!rewrite(reader, object, 1)) return std::nullopt;
    if (!last || object != "{}") last = std::move(object);
  }
  return reader.rest().empty() ? last : std::nullopt;
}

/// An id of nine letters and digits, which every endpoint takes.
std::string made_up_id(std::size_t salt, std::size_t number) {
  static constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  auto value = static_cast<std::uint64_t>(salt) * ToolCallAssembler::max_calls + number;
  std::string id(9, '0');
  id.replace(0, 4, "call");
  for (auto at = id.size(); at > 4; value /= digits.size()) id[--at] = digits[value % digits.size()];
  return id;
}

}  // namespace

ToolCallAssembler::Call* ToolCallAssembler::find(CallPiece const& piece) {
  // The newest first: where two share an index, the pieces that follow are those of the second.
  auto const newest = [&](auto belongs) -> Call* {
    auto const found = std::find_if(calls_.rbegin(), calls_.rend(), belongs);
    return found == calls_.rend() || !may_continue(found->told, piece) ? nullptr : &*found;
  };
  if (!piece.id.empty()) return newest([&](Call const& call) { return call.told.id == piece.id; });
  auto const is_last = [&](Call const& call) { return &call == &calls_.back(); };
  if (!piece.index) return newest(is_last);
  auto const has_index = [&](Call const& call) { return call.index == piece.index; };
  if (std::any_of(calls_.begin(), calls_.end(), has_index)) return newest(has_index);
  // The first piece came without its index.
  auto const goes_on = !calls_.empty() && !calls_.back().index && piece.name.empty();
  return goes_on ? newest(is_last) : nullptr;
}

bool ToolCallAssembler::take(CallPiece const& piece) {
  auto* call = find(piece);
  if (call == nullptr) {
    if (calls_.size() == max_calls) return false;
    call = &calls_.emplace_back();
    // Two calls of one id: the second one gets another.
    auto const is_taken =
        std::any_of(calls_.begin(), calls_.end(), [&](Call const& each) { return each.told.id == piece.id; });
    if (!is_taken) call->told.id = piece.id;
  }
  if (!call->index) call->index = piece.index;
  auto& told = call->told;
  auto const is_repeated = !piece.name.empty() && told.name == piece.name && piece.arguments == told.arguments &&
                           json::is_loose_object(told.arguments);
  if (told.name.empty()) told.name = piece.name;
  if (is_repeated) return true;
  if (piece.is_whole) told.arguments.clear();
  told.arguments += piece.arguments;
  bytes_ += piece.arguments.size();
  return true;
}

std::vector<ToolCall> ToolCallAssembler::finish(std::size_t salt, Oddities& oddities) const {
  std::vector<ToolCall> calls;
  for (auto const& call : calls_) {
    if (!has_words(call.told.name)) continue;
    auto id = json::repaired_text(call.told.id);  // may be another's then
    if (std::any_of(calls.begin(), calls.end(), [&](ToolCall const& each) { return each.id == id; })) id.clear();
    calls.push_back(
        {std::move(id), json::repaired_text(call.told.name), readable_arguments(call.told.arguments, oddities)});
  }
  std::size_t number = 0;
  for (auto& call : calls) {
    if (!call.id.empty()) continue;
    oddities.add(Oddity::call_id);
    std::string id;
    do {
      id = made_up_id(salt, number++);
    } while (std::any_of(calls.begin(), calls.end(), [&](ToolCall const& each) { return each.id == id; }));
    call.id = std::move(id);
  }
  return calls;
}

std::string readable_arguments(std::string_view text, Oddities& oddities) {
  if (!has_words(text)) return "{}";
  if (json::is_object(text)) return std::string(text);
  std::string inner;
  LooseReader reader(text);
  auto const is_string = reader.string(inner) && reader.rest().empty();
  auto object = last_object(is_string ? std::string_view(inner) : text);
  if (object && json::is_object(*object)) return *std::move(object);
  oddities.add(Oddity::tool_arguments);
  return json::repaired_text(text);
}

}  // namespace omnibus::llm
