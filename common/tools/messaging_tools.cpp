#include "tools/messaging_tools.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "json/raw.hpp"
#include "tools/schema_texts.hpp"

#include <charconv>
#include <system_error>

#include <boost/describe/class.hpp>

namespace omnibus::tools {
namespace {

constexpr json::Limits argument_limits{.bytes = 16 * 1024, .depth = 8, .array_length = 200};
constexpr std::size_t max_body = 4000 * 4;  // characters of the schema, in bytes at their longest
constexpr std::size_t max_patch = 4 * 1024;
constexpr std::size_t max_context = 14 * 1024;  // the database's own limit is 16 KiB
constexpr int max_exponent = 100;

struct SendArguments {
  std::string body;
};
BOOST_DESCRIBE_STRUCT(SendArguments, (), (body))

struct StatusArguments {
  std::string status;
};
BOOST_DESCRIBE_STRUCT(StatusArguments, (), (status))

struct ContextArguments {
  json::Raw context;
};
BOOST_DESCRIBE_STRUCT(ContextArguments, (), (context))

struct ErrorResult {
  std::string error;
};
BOOST_DESCRIBE_STRUCT(ErrorResult, (), (error))

struct SessionResult {
  std::string session_id;
  std::string status;
  json::Raw context;
  std::vector<json::Raw> added;  ///< in this turn
};
BOOST_DESCRIBE_STRUCT(SessionResult, (), (session_id, status, context, added))

struct ContextResult {
  json::Raw context;
  std::vector<json::Raw> added;
};
BOOST_DESCRIBE_STRUCT(ContextResult, (), (context, added))

std::string refusal(std::string reason) {
  return json::encode(ErrorResult{std::move(reason)});
}

/// Whether every number has an exponent that a database takes, too: PostgreSQL writes all of a number's digits.
/// `text` is valid JSON.
bool exponents_fit(std::string_view text) {
  auto in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && (text[i] == 'e' || text[i] == 'E') && i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9') {
      auto const* begin = text.data() + i + 1;
      if (*begin == '+' || *begin == '-') ++begin;
      int exponent = 0;
      auto const read = std::from_chars(begin, text.data() + text.size(), exponent);
      if (read.ec != std::errc{} || exponent > max_exponent) return false;
    }
  }
  return true;
}

/// The description of a tool in its schema, for the model.
struct SchemaHead {
  std::string title;
  std::string description;
};
BOOST_DESCRIBE_STRUCT(SchemaHead, (), (title, description))

std::vector<json::Raw> raws(std::vector<std::string> const& texts) {
  std::vector<json::Raw> result;
  result.reserve(texts.size());
  for (auto const& text : texts) result.push_back({text});
  return result;
}

}  // namespace

std::vector<llm::Tool> const& messaging_tools() {
  static auto const tools = [] {
    std::vector<llm::Tool> made;
    for (auto const text : schema_texts()) {
      auto head = json::decode<SchemaHead>(text).value();
      made.push_back({std::move(head.title), std::move(head.description), std::string{text}});
    }
    return made;
  }();
  return tools;
}

std::string MessagingTools::execute(std::string_view name, std::string_view arguments) {
  if (++calls_ > max_calls) return refusal("no more tools may be called in this turn: answer now");
  return run(name, arguments);
}

std::string MessagingTools::run(std::string_view name, std::string_view arguments) {
  if (name == "messaging_send_dual_channel") return send({"whatsapp", "sms"}, arguments);
  if (name == "messaging_send_whatsapp") return send({"whatsapp"}, arguments);
  if (name == "messaging_send_sms") return send({"sms"}, arguments);
  if (name == "session_get_or_create") return describe_session();
  if (name == "session_update_status") return update_status(arguments);
  if (name == "session_add_context") return add_context(arguments);
  if (name == "session_get_context") return describe_context();
  return refusal("there is no such tool");
}

std::string MessagingTools::send(std::vector<std::string> channels, std::string_view arguments) {
  auto wish = json::decode<SendArguments>(arguments, argument_limits);
  if (!wish) return refusal(wish.error().message());
  if (wish->body.empty() || wish->body.size() > max_body) return refusal("body must have 1 to 4000 characters");
  if (messages_.size() == max_messages) return refusal("no more messages may be sent in this turn");
  messages_.push_back({std::move(channels), std::move(wish->body)});
  return R"({"requested":true})";
}

std::string MessagingTools::update_status(std::string_view arguments) {
  auto wish = json::decode<StatusArguments>(arguments, argument_limits);
  if (!wish) return refusal(wish.error().message());
  if (wish->status != "active" && wish->status != "follow_up" && wish->status != "closed")
    return refusal("status must be active, follow_up or closed");
  status_ = std::move(wish->status);
  return describe_session();
}

std::string MessagingTools::add_context(std::string_view arguments) {
  auto wish = json::decode<ContextArguments>(arguments, argument_limits);
  if (!wish) return refusal(wish.error().message());
  auto& text = wish->context.text;
  if (text.empty() || text.front() != '{') return refusal("context must be an object");
  if (!exponents_fit(text)) return refusal("a number in context is too large");
  auto size = session_.context.size() + text.size();
  for (auto const& patch : patches_) size += patch.size();
  if (text.size() > max_patch || size > max_context) return refusal("context is full: nothing more can be kept");
  patches_.push_back(std::move(text));
  return R"({"kept":true})";
}

std::string MessagingTools::describe_session() const {
  return json::encode(
      SessionResult{to_string(session_.id), status_.value_or(session_.status), {session_.context}, raws(patches_)});
}

std::string MessagingTools::describe_context() const {
  return json::encode(ContextResult{{session_.context}, raws(patches_)});
}

}  // namespace omnibus::tools
