import CSystem
import Synchronization

/// Ctrl-C, noticed at points where stopping leaves nothing half-written.
public enum Interruption {
  /// What to tell a user who has stopped the program.
  private static let hint = Mutex<String?>(nil)

  /// The hint of commands that can leave out what was done before.
  public static let continuing = "--continue_prediction goes on with the cases that are left"

  /// From now on the first SIGINT, SIGTERM or SIGHUP is only noted; a second one ends the process at once.
  ///
  /// - Parameter hint: how the command goes on after it was stopped; nil when it begins anew.
  public static func watch(hint: String? = nil) {
    self.hint.withLock { $0 = hint }
    mt_watch_interruption()
  }

  public static var isRequested: Bool { mt_interruption() != 0 }

  /// Throws `interrupted` when the user has asked to stop.
  public static func check() throws {
    if isRequested { throw Failure(.interrupted, "stopped by the user", hint: hint.withLock { $0 }) }
  }
}
