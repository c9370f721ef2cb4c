// Other people's clients, unmodified, each behind one call.
import { WebRTCAdaptor } from "@antmedia/webrtc_adaptor";
import { WHIPClient as EyevinnClient } from "@eyevinn/whip-web-client";
import { WHEPClient } from "whip-whep/whep.js";
import { WHIPClient } from "whip-whep/whip.js";
import { clockPicture, direct, readDelays } from "./glass.js";

const remote = document.getElementById("remote");
window.clientEvents = [];

function heard(kind, name, detail) {
  window.clientEvents.push([kind, String(name), typeof detail === "string" ? detail : ""]);
}

function camera(width = 640) {
  return navigator.mediaDevices.getUserMedia({ video: { width, height: (width * 9) / 16 }, audio: true });
}

/** Shows what a bare peer connection receives. */
function show(pc) {
  const stream = new MediaStream();
  pc.ontrack = ({ track }) => {
    stream.addTrack(track);
    remote.srcObject = stream;
  };
}

function preferVideo(transceiver, codec, side = transceiver.direction === "recvonly" ? RTCRtpReceiver : RTCRtpSender) {
  if (!codec) return;
  const all = side.getCapabilities("video").codecs;
  const wanted = (entry) => entry.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`;
  transceiver.setCodecPreferences(all.filter(wanted));
}

function knowsOnly(method, codec, side) {
  const native = RTCPeerConnection.prototype[method];
  RTCPeerConnection.prototype[method] = function (...options) {
    for (const transceiver of this.getTransceivers()) {
      if (transceiver.receiver.track.kind === "video") preferVideo(transceiver, codec, side);
    }
    return native.apply(this, options);
  };
}

/** Three simulcast layers, lowest first. */
const LAYERS = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
];

/** What the server tells of its TURN server has come. */
async function knowsRelay(made) {
  const relays = () => made.peerconnection_config.iceServers.some(({ urls }) => urls.startsWith("turn:"));
  while (!relays()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** `asks`: it uses the ICE server that it is told, as when somebody presses a button. `whenReady` is called when the first
 *  socket is open. The SDK opens others by itself, and publishes or plays anew. */
function adaptor({ asks = false, ...options }, whenReady) {
  let ready = false;
  return new Promise((resolve) => {
    const made = new WebRTCAdaptor({
      ...(asks ? {} : { peerconnection_config: { iceServers: [] } }),
      sdp_constraints: { OfferToReceiveAudio: false, OfferToReceiveVideo: false },
      callback: (name, detail) => {
        heard("info", name, detail?.streamId ?? "");
        if (name === "initialized" && !ready) {
          ready = true;
          resolve((asks ? knowsRelay(made) : Promise.resolve()).then(() => whenReady(made)));
        }
      },
      callbackError: (name, message) => heard("error", name, message),
      ...options,
    });
    window.adaptor = made;
  });
}

window.clients = {
  sdkPublish: ({ url, stream, token, asks }) =>
    adaptor(
      {
        asks: asks === "yes",
        websocket_url: url,
        mediaConstraints: { video: { width: 640, height: 360 }, audio: true },
        localVideoId: "local",
      },
      (made) => made.publish(stream, token),
    ),

  /** Restarts ICE by a second offer, as Ant Media's mobile SDKs do on another network, and waits for the answer. */
  async sdkRestart({ stream }) {
    const pc = window.adaptor.remotePeerConnection[stream];
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    const answered = new Promise((resolve) => {
      pc.onsignalingstatechange = () => pc.signalingState === "stable" && resolve();
    });
    const { sdp } = pc.localDescription;
    const ours = () => pc.remoteDescription.sdp.match(/a=ice-ufrag:(.*)/)[1];
    const before = ours();
    window.adaptor.webSocketAdaptor.send(JSON.stringify({ command: "takeConfiguration", streamId: stream, type: "offer", sdp }));
    await answered;
    if (ours() === before) throw new Error("the server has kept its ICE credentials");
  },

  /** Offers another video codec in the living peer connection, and takes that back when it was refused. */
  async sdkOffersAnother({ stream, codec }) {
    const pc = window.adaptor.remotePeerConnection[stream];
    const video = pc.getTransceivers().find(({ sender }) => sender.track?.kind === "video");
    preferVideo(video, codec, RTCRtpSender);
    await pc.setLocalDescription(await pc.createOffer());
    const { sdp } = pc.localDescription;
    const before = window.clientEvents.length;
    window.adaptor.webSocketAdaptor.send(JSON.stringify({ command: "takeConfiguration", streamId: stream, type: "offer", sdp }));
    const refused = () => window.clientEvents.slice(before).some(([kind]) => kind === "error");
    while (!refused()) await new Promise((resolve) => setTimeout(resolve, 20));
    await pc.setLocalDescription({ type: "rollback" });
  },

  /** From now on this page's answers are those of a browser that decodes no other video codec. */
  decodesOnly: ({ codec }) => knowsOnly("createAnswer", codec, RTCRtpReceiver),

  /** The same of its offers, and of a browser that encodes no other one. */
  encodesOnly: ({ codec }) => knowsOnly("createOffer", codec, RTCRtpSender),

  sdkPlay: ({ url, stream, token, asks }) =>
    adaptor({ asks: asks === "yes", websocket_url: url, isPlayMode: true, remoteVideoId: "remote", mediaConstraints: { video: false, audio: false } }, (made) =>
      made.play(stream, token),
    ),

  /** Asks everything that the SDK can ask, and wants everything that is not there, on one socket that publishes
   *  nothing. Each callback, with what it was handed, is in `window.told`. */
  sdkAsks: ({ url, stream }) => {
    window.told = [];
    return new Promise((resolve) => {
      window.adaptor = new WebRTCAdaptor({
        websocket_url: url,
        isPlayMode: true,
        peerconnection_config: { iceServers: [] },
        mediaConstraints: { video: false, audio: false },
        callback: (name, detail) => {
          window.told.push(["info", name, detail ?? null]);
          if (name === "initialized") resolve();
        },
        callbackError: (name, detail) => window.told.push(["error", name, detail ?? null]),
      });
    }).then(() => {
      const made = window.adaptor;
      made.getStreamInfo(stream);
      made.getBroadcastObject(stream);
      made.getTracks(stream, "");
      made.getSubtracks(stream, "", 0, 10);
      made.getSubtrackCount(stream, "", "");
      made.getSubscriberCount(stream);
      made.getSubscriberList(stream, 0, 10);
      made.getDebugInfo(stream);
      made.joinRoom("room", stream, "multitrack");
      made.leaveFromRoom("room", stream);
      made.getRoomInfo("room", stream);
      made.join(stream);
      made.leave(stream);
      made.peerMessage(stream, "hello", "you");
      made.assignVideoTrack("videoTrack0", stream, true);
      made.updateVideoTrackAssignments(stream, 0, 10);
      made.setMaxVideoTrackCount(stream, 4);
      made.requestVideoTrackAssignments(stream);
      made.updateStreamMetaData(stream, "mine");
      made.enableTrack(stream, "other", true);
      made.toggleVideo(stream, "other", true);
      made.toggleAudio(stream, "other", true);
      made.registerPushNotificationToken("me", "token", "token", "fcm");
      made.sendPushNotification("me", "token", { title: "x" }, ["you"]);
      made.sendPushNotificationToTopic("me", "token", { title: "x" }, "topic");
    });
  },

  /** Publishes in a room, as a conference page does. */
  sdkPublishInRoom: ({ url, stream }) =>
    adaptor({ websocket_url: url, mediaConstraints: { video: true, audio: true }, localVideoId: "local" }, (made) =>
      made.publish(stream, "", "", "", "", "room", ""),
    ),

  /** As Ant Media's mobile SDKs: `window.again` asks anew on the same socket, in another peer connection, and says
   *  nothing of the former one. That one is not closed, so that its goodbye does not come either. With `layers`, the
   *  picture comes in three of them. */
  async mobile({ url, stream, does, layers }) {
    const tracks = does === "publish" ? (await camera(layers ? 1280 : undefined)).getTracks() : [];
    const add = (track) =>
      layers && track.kind === "video"
        ? pc.addTransceiver(track, { direction: "sendonly", sendEncodings: LAYERS })
        : pc.addTrack(track);
    const socket = new WebSocket(url);
    const say = (fields) => socket.send(JSON.stringify({ streamId: stream, ...fields }));
    let pc = null;
    const describe = async (description) => {
      await pc.setLocalDescription(description);
      say({ command: "takeConfiguration", type: description.type, sdp: pc.localDescription.sdp });
    };
    const take = async ({ command, definition, type, sdp }) => {
      if (command === "start") {
        tracks.forEach(add);
        await describe(await pc.createOffer());
      } else if (command === "takeConfiguration") {
        await pc.setRemoteDescription({ type, sdp });
        if (type === "offer") await describe(await pc.createAnswer());
      } else {
        heard(command === "error" ? "error" : "info", definition ?? command, "");
      }
    };
    window.again = () => {
      pc = new RTCPeerConnection();
      show(pc);
      say({ command: does, token: "", video: true, audio: true });
    };
    socket.onmessage = ({ data }) => take(JSON.parse(data));
    socket.onopen = window.again;
  },

  async whipPublish({ url, token, codec }) {
    const pc = new RTCPeerConnection();
    for (const track of (await camera()).getTracks()) {
      const transceiver = pc.addTransceiver(track, { direction: "sendonly" });
      if (track.kind === "video") preferVideo(transceiver, codec);
    }
    window.whip = new WHIPClient();
    await window.whip.publish(pc, url, token);
  },

  async simulcastPublish({ url }) {
    const pc = new RTCPeerConnection();
    const [video] = (await camera(1280)).getVideoTracks();
    preferVideo(pc.addTransceiver(video, { direction: "sendonly", sendEncodings: LAYERS }), "VP8");
    window.whip = new WHIPClient();
    await window.whip.publish(pc, url);
  },

  /** Changes the resolution of what `whipPublish` sends. */
  whipScale: ({ by }) => {
    const sender = window.whip.pc.getSenders().find((one) => one.track?.kind === "video");
    const parameters = sender.getParameters();
    parameters.encodings[0].scaleResolutionDownBy = Number(by);
    return sender.setParameters(parameters);
  },

  /** Stops or resumes one layer of what `simulcastPublish` sends. */
  whipLayer({ rid, active }) {
    const sender = window.whip.pc.getSenders().find((one) => one.track?.kind === "video");
    const parameters = sender.getParameters();
    parameters.encodings.find((one) => one.rid === rid).active = active === "yes";
    return sender.setParameters(parameters);
  },

  whipStop: () => window.whip.stop(),
  whipRestart: () => window.whip.restart(),

  async eyevinnPublish({ url }) {
    window.eyevinn = new EyevinnClient({ endpoint: url, opts: { iceServers: [] } });
    await window.eyevinn.ingest(await camera());
  },

  eyevinnStop: () => window.eyevinn.destroy(),

  sdkForce: ({ stream, height }) => window.adaptor.forceStreamQuality(stream, Number(height)),

  async whepPlay({ url, token, codec }) {
    const pc = new RTCPeerConnection();
    pc.addTransceiver("audio", { direction: "recvonly" });
    preferVideo(pc.addTransceiver("video", { direction: "recvonly" }), codec);
    show(pc);
    window.whep = new WHEPClient();
    await window.whep.view(pc, url, token);
  },

  whepStop: () => window.whep.stop(),
  whepRestart: () => window.whep.restart(),
};
const VIDEO_BPS = 1_500_000;

/** For measuring: a painted picture, timed joins, and the same two pages without a server. */
window.measuring = {
  publish({ url, stream }) {
    window.picture ??= clockPicture();
    return adaptor({ websocket_url: url, localStream: window.picture, bandwidth: VIDEO_BPS / 1000 }, (made) => made.publish(stream));
  },

  /** Milliseconds from `play` to the first frame shown, and frames per second afterwards. */
  async join({ url, stream }) {
    let asked = 0;
    const first = new Promise((resolve) => remote.requestVideoFrameCallback(() => resolve(performance.now())));
    await adaptor({ websocket_url: url, isPlayMode: true, remoteVideoId: "remote", mediaConstraints: { video: false, audio: false } }, (made) => {
      asked = performance.now();
      made.play(stream);
    });
    return (await first) - asked;
  },

  /** Of a second from now on: before, the cached frames since the last keyframe are caught up with. */
  async framesPerSecond({ forMs }) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const decoded = async () => {
      const seen = await window.rillcastObserve();
      return Math.max(...seen.connections.map((connection) => connection.framesDecoded));
    };
    const [before, began] = [await decoded(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, forMs));
    return ((await decoded()) - before) / ((performance.now() - began) / 1000);
  },

  delays: ({ forMs }) => readDelays(remote, forMs),
  directOffer: () => direct.offer((window.picture ??= clockPicture()), VIDEO_BPS),
  directAnswer: ({ sdp }) => direct.answer(remote, sdp),
  directAccept: ({ sdp }) => direct.accept(sdp),
};
window.clientsReady = true;
