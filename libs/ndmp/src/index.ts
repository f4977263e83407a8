// The public face of @tapestry/ndmp. It opens no socket: adapters bring the bytes.

export { endpointsOf, type NdmpAddress, type TcpEndpoint, tcpAddress } from './addresses.ts';
export { CHALLENGE_BYTES, md5Answer, sameSecret } from './authentication.ts';
export { NdmpClient, type RecoverRequest } from './client.ts';
export type {
  NdmpClientOptions,
  NdmpHandlers,
  NdmpTransport,
  Notification,
} from './client-connection.ts';
export {
  type CallOptions,
  MoverClient,
  type MoverOpening,
  type MoverWindow,
  ScsiClient,
  TapeClient,
} from './client-services.ts';
export { type ClientEvent, ClientSession, type Post } from './client-session.ts';
export {
  ADDR_TYPE,
  AUTH_TYPE,
  BUTYPE_ATTR,
  BUTYPE_ATTR_V2,
  CONNECTION_STATUS,
  DATA_HALT,
  DATA_OPERATION,
  DATA_STATE,
  DATA_STATE_UNSUPPORTED,
  FILE_TYPE,
  FS_INFO_UNSUPPORTED,
  FS_TYPE,
  LOG_TYPE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
  NDMP_ERROR,
  nameOf,
  RECOVERY_STATUS,
  SCSI_FLAGS,
  TAPE_ATTR,
  TAPE_MTIO,
  TAPE_OPEN_MODE,
  TAPE_STATE_FLAGS,
  TAPE_STATE_UNSUPPORTED,
  U32_MAX,
  U64_MAX,
} from './constants.ts';
export {
  decodeReply,
  encodeHeaderError,
  encodePost,
  encodeRawPost,
  encodeReply,
  encodeRequest,
  HEADER_BYTES,
  type Header,
  MESSAGE_TYPE,
  type RawMessage,
  type Stamp,
  splitRecord,
} from './envelope.ts';
export { errorClass, errorFor } from './error-mapping.ts';
export {
  countHistory,
  HISTORY_CODE,
  HistoryBatch,
  type HistoryKind,
  type HistoryPost,
  type HistoryVisitor,
  historyCode,
  readHistory,
} from './file-history.ts';
export { FramingError, RecordFramer } from './framer.ts';
export type { FileStat, HistoryDir, HistoryFile, HistoryNode } from './history-codec.ts';
export {
  classOfMessage,
  IPV6_CLASS,
  type MessageClass,
  type MessageOrigin,
  TEST_CLASS,
} from './message-class.ts';
export {
  isVersion,
  type MessageTable,
  messagesOf,
  type NdmpVersion,
  type PostBody,
  type PostName,
  type PostRow,
  type ReplyBody,
  type RequestBody,
  type RequestName,
  type RequestRow,
  VERSION_MAX,
  VERSION_MIN,
} from './messages.ts';
export { isRefusal, NdmpError, type NdmpFailure, toStatusError } from './ndmp-error.ts';
export { RecordPump } from './record-pump.ts';
export { isDeviceEffect, SessionDevices, type SessionDevicesOptions } from './server-devices.ts';
export { step } from './server-machine.ts';
export type {
  ByteStream,
  CdbOrder,
  CdbOutcome,
  MoverOrder,
  MoverProgress,
  MoverPump,
  MoverReport,
  Outcome,
  ScsiDevice,
  ScsiPort,
  ScsiTarget,
  StreamListener,
  StreamPort,
  TapeDrive,
  TapePort,
  TapeStatus,
} from './server-ports.ts';
export { blankReply } from './server-replies.ts';
export {
  type OuterEffect,
  type ServerOutput,
  ServerSession,
  type ServerSessionOptions,
} from './server-session.ts';
export {
  type AnyRequest,
  type ConnectionPhase,
  type DataMachine,
  type DeviceEffect,
  type DeviceRequestName,
  type DeviceRules,
  type Effect,
  INITIAL_SERVER,
  initialServer,
  type MoverMachine,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
  type Step,
} from './server-state.ts';
export type {
  AuthAttr,
  AuthData,
  ButypeInfo,
  ClassChoice,
  ClassOffer,
  DeviceInfo,
  FsInfo,
  LogFile,
  LogMessage,
  NameEntry,
  Pval,
} from './structures.ts';
export {
  type Speaker,
  type TraceChunk,
  TraceDecoder,
  type TracedMessage,
  traceLine,
  traceLines,
} from './trace.ts';
export { readTrace, TraceWriter } from './trace-file.ts';
export { bytesFromText, textFromBytes, XdrError, XdrReader, XdrWriter } from './xdr.ts';
