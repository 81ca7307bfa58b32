import CSystem

/// Ctrl-C, noticed at points where stopping leaves nothing half-written.
public enum Interruption {
  /// From now on the first SIGINT, SIGTERM or SIGHUP is only noted; a second one ends the process at once.
  public static func watch() { mt_watch_interruption() }

  public static var isRequested: Bool { mt_interruption() != 0 }

  /// Throws `interrupted` when the user has asked to stop.
  public static func check() throws {
    if isRequested {
      throw Failure(
        .interrupted, "stopped by the user", hint: "--continue_prediction goes on with the cases that are left")
    }
  }
}
