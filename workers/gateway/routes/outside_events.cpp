#include "workers/gateway/routes/outside_events.hpp"

#include "json/encode.hpp"
#include "json/type.hpp"
#include "observability/log.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/webhooks/inbound_event.hpp"

#include <chrono>
#include <stdexcept>

namespace omnibus::gateway {
namespace {

constexpr std::string_view profile_key_word = "profile_key";

std::invalid_argument unfit(std::string_view type, std::string_view reason) {
  return std::invalid_argument("topics.yaml has " + std::string(type) + " in from_outside, but " + std::string(reason));
}

/// The member of that name, if every event of the type has it as a text or a UUID; else null.
json::ObjectField const* key_member(json::Type const& type, std::string_view name) {
  for (auto const& field : type.fields)
    if (field.name == name && (field.type->kind == json::Kind::string || field.type->kind == json::Kind::uuid))
      return &field;
  return nullptr;
}

std::string text_of(json::ObjectField const& member, void* event) {
  auto const* const value = member.of(event);
  return member.type->kind == json::Kind::uuid ? to_string(*static_cast<Uuid const*>(value))
                                               : *static_cast<std::string const*>(value);
}

template <class Event>
std::string* phone_number_of(Event& event) {
  if constexpr (requires { event.phone_number->size(); }) {
    return event.phone_number ? &*event.phone_number : nullptr;
  } else {
    return &event.phone_number;
  }
}

/// Also writes the phone number as the webhooks write it, since the key and the person's profile depend on it.
template <class Event>
std::string key_by_person(ProfileKeys const& keys, Event& event) {
  if (keys.secret.empty()) {
    log::warn("an event from outside is not taken", {{"type", Event::type}, {"setting", "PROFILE_KEY_SECRET"}});
    throw Refusal(503, "Events of this type are not taken", "The gateway lacks a setting, which its log names", {},
                  std::chrono::minutes(1));
  }
  InboundRules const rules{event.domain, keys.region, keys.secret};
  if (auto* const number = phone_number_of(event)) {
    *number = read_phone_number(rules, "data.phone_number", *number).e164();
    return profile_key(rules, *number);
  }
  if constexpr (requires { event.whatsapp_user_id; }) return profile_key(rules, *event.whatsapp_user_id);
  if constexpr (requires { event.sender; }) return profile_key(rules, *event.sender);
  throw std::logic_error("an event passed its check without a person");
}

}  // namespace

void refuse_data(json::DecodeError const& error) {
  if (error.field.empty()) throw Refusal::invalid("data", error.message());
  refuse_data(InvalidField{error.field, error.reason});
}

void refuse_data(InvalidField const& invalid) {
  throw Refusal(422, "The event is not valid by its schema", invalid.field + " " + invalid.reason,
                "data." + invalid.field);
}

template <class Event>
OutsideEvents::Check OutsideEvents::make_check(kafka::TopicSpec const& topic) const {
  if constexpr (!requires(Event event) { std::string{event.domain}; }) {  // it may be optional
    throw unfit(Event::type, "it has no domain, so its tenant is not known");
  } else {
    if (topic.key == profile_key_word) {
      if constexpr (requires(Event event) { event.phone_number; })
        return [this](std::string_view data) {
          auto event = read_data<Event>(data);
          auto key = key_by_person(profile_keys_, event);
          return CheckedData{event.domain, std::move(key), json::encode(event)};
        };
      throw unfit(Event::type, "it has no phone_number, from which a profile_key is made");
    }
    auto const* const member = key_member(json::type_of<Event>, topic.key);
    if (member == nullptr) throw unfit(Event::type, "it has no member that is the key of topic " + topic.name);
    return [member](std::string_view data) {
      auto event = read_data<Event>(data);
      return CheckedData{event.domain, text_of(*member, &event), json::encode(event)};
    };
  }
}

template <class... Event>
OutsideEvents::Check OutsideEvents::find_check(EventTypes<Event...>, std::string_view type,
                                               kafka::TopicSpec const& topic) const {
  Check check;
  ((Event::type == type ? void(check = make_check<Event>(topic)) : void()), ...);
  if (!check) throw unfit(type, "common/events/all_events.hpp does not know it");
  return check;
}

OutsideEvents::OutsideEvents(kafka::TopicCatalog const& topics, ProfileKeys profile_keys)
    : topics_(topics), profile_keys_(std::move(profile_keys)) {
  for (auto const& topic : topics.topics())
    for (auto const& type : topic.from_outside)
      if (type != ChatMessageReceived::type) checks_.emplace(type, find_check(AllEvents{}, type, topic));
}

void OutsideEvents::check_type(std::string_view type) const {
  auto const* const topic = topics_.topic_of(type);
  if (topic == nullptr) throw Refusal::invalid("type", "There is no event of this type");
  if (!topic->takes_from_outside(type))
    throw Refusal(403, "Not yours to publish", "Events of this type come from Omnibus itself", "type");
}

CheckedData OutsideEvents::check(std::string_view type, std::string_view data) const {
  auto const most = topics_.topic_of(type)->max_message_bytes();
  if (data.size() > static_cast<std::size_t>(most)) throw Refusal::too_large(most);
  auto const found = checks_.find(type);
  if (found == checks_.end()) throw std::logic_error("there is no check for this type");
  return found->second(data);
}

}  // namespace omnibus::gateway
