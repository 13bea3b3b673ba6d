#include "workers/gateway/webhooks/whatsapp_words.hpp"

#include <initializer_list>
#include <utility>

namespace omnibus::gateway {
namespace {

using Kind = json::Member::Kind;

/// Appends a part, with the separator in front unless it is the first; nothing if the part is empty.
void join(std::string& text, std::string_view separator, std::string_view part) {
  if (part.empty()) return;
  if (!text.empty()) text += separator;
  text += part;
}

std::string first_of(JsonFields const& fields, std::initializer_list<std::string_view> names) {
  for (auto const name : names)
    if (auto text = fields.text(name); !text.empty()) return text;
  return {};
}

std::string or_label(std::string words, std::string_view label) {
  return words.empty() ? std::string("[").append(label).append("]") : std::move(words);
}

std::string labelled(std::string_view label, std::string_view words) {
  auto text = or_label({}, label);
  join(text, " ", words);
  return text;
}

std::string answer_words(Kind kind, std::string_view value);

/// Members as `name: answer`; a form's token is no answer.
std::string members_words(JsonFields const& form, std::string_view separator) {
  std::string words;
  for (auto const& [name, kind, value] : form.all()) {
    auto const answer = name == "flow_token" ? std::string{} : answer_words(kind, value);
    if (!answer.empty()) join(words, separator, std::string(name).append(": ").append(answer));
  }
  return words;
}

Kind kind_of(std::string_view written) {
  if (written.starts_with('{')) return Kind::object;
  if (written.starts_with('[')) return Kind::array;
  return written == "null" ? Kind::null : Kind::number;
}

std::string answer_words(Kind kind, std::string_view value) {
  if (kind == Kind::null) return {};
  if (kind == Kind::object) return members_words(JsonFields{value}, "; ");
  if (kind != Kind::array) return std::string(value);
  std::string words;
  for (auto const& element : json_elements(value)) {
    // A string needs unescaping, which a member gets.
    auto const as_member = JsonFields{std::string(R"({"it":)").append(element).append("}")};
    join(words, ", ", element.starts_with('"') ? as_member.text("it") : answer_words(kind_of(element), element));
  }
  return words;
}

std::string interactive_words(JsonFields const& interactive) {
  for (auto const name : {"button_reply", "list_reply"})
    if (auto title = first_of(interactive.object(name), {"title", "id"}); !title.empty()) return title;
  if (auto const form = interactive.object("nfm_reply"); !form.empty()) {
    auto words = form_words(form.text("response_json"));
    return or_label(words.empty() ? form.text("body") : std::move(words), "form");
  }
  if (auto const reply = interactive.object("call_permission_reply"); !reply.empty())
    return labelled("call permission", reply.text("response"));
  return or_label(first_of(interactive, {"title", "body", "text"}), "interactive");
}

std::string contact_words(JsonFields const& contact) {
  auto const name = contact.object("name");
  auto words = first_of(name, {"formatted_name", "first_name", "last_name"});
  join(words, ", ", contact.object("org").text("company"));
  for (auto const& phone : contact.objects("phones")) join(words, ", ", first_of(phone, {"phone", "wa_id"}));
  for (auto const& email : contact.objects("emails")) join(words, ", ", email.text("email"));
  for (auto const& url : contact.objects("urls")) join(words, ", ", url.text("url"));
  for (auto const& address : contact.objects("addresses"))
    for (auto const part : {"street", "city", "state", "zip", "country"}) join(words, ", ", address.text(part));
  return labelled("contact", words);
}

std::string contacts_words(JsonFields const& message) {
  std::string words;
  for (auto const& contact : message.objects("contacts")) join(words, "\n", contact_words(contact));
  return or_label(std::move(words), "contact");
}

std::string location_words(JsonFields const& location) {
  auto words = location.text("name");
  join(words, ", ", location.text("address"));
  auto place = location.text("latitude");
  join(place, ", ", location.text("longitude"));
  if (!place.empty()) join(words, " ", words.empty() ? place : "(" + place + ")");
  join(words, " ", location.text("url"));
  return labelled("location", words);
}

std::string order_words(JsonFields const& order) {
  std::string items;
  for (auto const& item : order.objects("product_items")) {
    auto words = item.text("quantity");
    join(words, " x ", item.text("product_retailer_id"));
    join(words, " at ", item.text("item_price"));
    join(words, " ", item.text("currency"));
    join(items, ", ", words);
  }
  auto words = labelled("order", items);
  join(words, "\n", order.text("text"));
  return words;
}

std::string reaction_words(JsonFields const& reaction) {
  auto const emoji = reaction.text("emoji");
  return emoji.empty() ? "[reaction removed]" : labelled("reaction", emoji);
}

std::string audio_words(JsonFields const& audio, std::string_view type) {
  auto const voice = type == "voice" || audio.text("voice") == "true";
  return or_label(audio.text("caption"), voice ? "voice message" : "audio");
}

std::string document_words(JsonFields const& document) {
  auto caption = document.text("caption");
  return caption.empty() ? labelled("document", document.text("filename")) : caption;
}

}  // namespace

std::string form_words(std::string_view response_json) {
  auto const form = JsonFields::read_posted(response_json);
  if (form.empty() && response_json != "{}") return std::string(response_json);
  return members_words(form, "\n");
}

std::string whatsapp_words(JsonFields const& message, std::string_view type) {
  auto const content = message.object(type);
  if (type == "interactive") return interactive_words(content);
  if (type == "contacts") return contacts_words(message);
  if (type == "location") return location_words(content);
  if (type == "order") return order_words(content);
  if (type == "reaction") return reaction_words(content);
  if (type == "audio" || type == "voice") return audio_words(content, type);
  if (type == "document") return document_words(content);
  if (type == "unsupported" || type == "unknown") return "[unsupported message]";
  return or_label(first_of(content, {"body", "text", "caption", "title", "name", "payload"}), type);
}

}  // namespace omnibus::gateway
