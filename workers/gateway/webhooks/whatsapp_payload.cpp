#include "workers/gateway/webhooks/whatsapp_payload.hpp"

#include "json/repair.hpp"

#include <utility>

namespace omnibus::gateway::whatsapp {
namespace {

using json::LooseReader;

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// False when the next value is no string.
bool read_text(LooseReader& reader, std::string& text) {
  std::string told;
  if (!reader.string(told)) return false;
  text = json::repaired_text(told);
  return true;
}

void read_change(std::string_view text, Payload& payload) {
  Change change;
  LooseReader reader(text);
  auto const is_change = reader.object([&](std::string_view key) {
    if (key == "field") read_text(reader, change.field);
    if (key == "value") change.value = reader.raw();
  });
  if (is_change) {
    payload.changes.push_back(std::move(change));
  } else {
    ++payload.unreadable;
  }
}

void read_entry(std::string_view text, Payload& payload) {
  std::string_view changes = "[]";
  LooseReader reader(text);
  auto const is_entry = reader.object([&](std::string_view key) {
    if (key == "changes") changes = reader.raw();
  });
  auto const are_changes =
      is_entry &&
      (changes == "null" || each_element(changes, [&](std::string_view each) { read_change(each, payload); }));
  if (!are_changes) ++payload.unreadable;
}

}  // namespace

std::optional<Payload> read_payload(std::string_view body) {
  if (body.starts_with(byte_order_mark)) body.remove_prefix(byte_order_mark.size());
  Payload payload;
  std::string_view entries;
  LooseReader reader(body);
  auto const is_object = reader.object([&](std::string_view key) {
    if (key == "object") read_text(reader, payload.object);
    if (key == "entry") entries = reader.raw();
  });
  if (!is_object || !reader.rest().empty()) return std::nullopt;
  if (!each_element(entries, [&](std::string_view entry) { read_entry(entry, payload); })) return std::nullopt;
  return payload;
}

std::optional<ChangeValue> read_change_value(std::string_view text) {
  ChangeValue value;
  auto has_number = false;
  LooseReader reader(text);
  auto const is_value = reader.object([&](std::string_view key) {
    if (key == "metadata") {
      reader.object([&](std::string_view name) {
        if (name == "phone_number_id") has_number = read_text(reader, value.phone_number_id);
      });
    } else if (key == "contacts") {
      value.contacts = reader.raw();
    } else if (key == "messages") {
      value.messages = reader.raw();
    } else if (key == "statuses") {
      value.statuses = reader.raw();
    }
  });
  return is_value && has_number ? std::optional{std::move(value)} : std::nullopt;
}

}  // namespace omnibus::gateway::whatsapp
