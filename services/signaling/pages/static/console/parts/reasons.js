// The words with which the server says how a session ended, as sentences.

const WORDS = {
  stopped: "The client or an operator ended it.",
  socket_closed: "The client's signalling socket is gone: its page was closed, or its network broke.",
  abandoned: "The client had given up before the node answered.",
  start_timeout: "The client did not send its part of the negotiation in time.",
  refused: "The node did not take the client's part of the negotiation.",
  not_answered: "The node did not answer in time, so another one was asked.",
  handshake_timeout: "ICE and DTLS did not finish in time: the media ports may be closed between client and node.",
  consent_expired: "The client was silent for 30 seconds: its network is gone, or its machine sleeps.",
  dtls_closed: "The client said goodbye.",
  dtls_failed: "The DTLS handshake failed.",
  fingerprint_mismatch: "The client's certificate is not the one that its description names.",
  too_many_half_open: "Too many sessions of the node were still in their handshake.",
  removed: "The server removed it.",
  plane_error: "The media plane could not open the session. This is a fault of the server.",
  ice_timeout: "The viewer did not connect in time: the media ports may be closed between client and node.",
  no_media: "The publisher sent no media in time.",
  stream_ended: "The stream is over.",
  codec_changed: "The stream is no longer there in a codec that this viewer has.",
  in_use: "Another publisher has the stream.",
  user_blocked: "An operator has blocked the subscriber.",
  limit_reached: "A limit of viewers or publishers is reached.",
  replaced: "The publisher has the stream in another session.",
  draining: "The node drains; the client was to come back.",
  node_gone: "The node died.",
  no_stream_exist: "Nobody publishes this stream.",
  streamIdInUse: "Somebody else publishes this stream.",
  unauthorized_access: "No token, or one that does not hold.",
  not_allowed_unregistered_streams: "The app takes registered streams alone.",
  stream_not_active_or_expired: "The stream is not to be live at this time.",
  viewerLimitReached: "A limit of viewers is reached.",
  highResourceUsage: "No node has room.",
  no_codec_enabled_in_the_server: "Client and server have no codec in common.",
  notSetRemoteDescription: "The client's session description makes no sense.",
  data_store_not_available: "The store was away.",
  license_suspended_please_renew_license: "The license is suspended.",
  server_error_check_logs: "The server made a mistake. Its log says more.",
};

/** A sentence for a word; the word itself where there is none. */
export const reason = (word) => WORDS[word] ?? (word ? word.replaceAll("_", " ") : "");

const STATES = {
  live: ["live", "good"], over: ["over", "quiet"], refused: ["refused", "warn"], failed: ["failed", "bad"], lost: ["lost", "bad"],
};

/** The word and the tone of a session's state. */
export const sessionState = (state) => STATES[state] ?? [state, "quiet"];

/** Whether it ended as it was meant to. */
export const ended = new Set(["stopped", "socket_closed", "dtls_closed", "stream_ended", "replaced", ""]);
