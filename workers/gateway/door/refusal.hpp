/// The reason why a request is rejected.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace omnibus::gateway {

/// Thrown by a route; one place turns it into an RFC 9457 response. Has no text of the request's content.
struct Refusal : std::exception {
  int status;
  std::string title;
  std::string detail;
  std::string field;                                     ///< of the body, the query or the headers; empty when none
  std::optional<std::chrono::milliseconds> retry_after;  ///< sent as whole seconds, rounded up

  Refusal(int status_, std::string title_, std::string detail_ = {}, std::string field_ = {},
          std::optional<std::chrono::milliseconds> retry_after_ = {})
      : status(status_),
        title(std::move(title_)),
        detail(std::move(detail_)),
        field(std::move(field_)),
        retry_after(retry_after_) {}

  char const* what() const noexcept override { return title.c_str(); }

  static Refusal invalid(std::string field, std::string detail) {
    return {400, "The request is not valid", std::move(detail), std::move(field)};
  }
  static Refusal unknown_domain() {
    return {404, "No such tenant", "The token does not speak for a tenant of that domain", "domain"};
  }
  static Refusal no_conversation() { return {404, "No such conversation", {}, "id"}; }
  static Refusal too_large(std::int64_t most_bytes) {
    return {413, "The event is too large", "Its topic takes at most " + std::to_string(most_bytes) + " bytes"};
  }
  static Refusal closed() {
    return {409, "The conversation is closed", "It has been resolved; begin another session", "session_id"};
  }
  static Refusal consent_required() {
    return {403, "consent_required", "The tenant asks for consent to processing first: POST /v1/chat/consents"};
  }
  static Refusal unavailable(std::string detail, std::chrono::milliseconds retry_after = std::chrono::seconds(2)) {
    return {503, "Not available at the moment", std::move(detail), {}, retry_after};
  }
};

}  // namespace omnibus::gateway
