/// What a process that was killed had not finished writing.
public enum Leftovers {
  /// Removes unfinished files from a folder in which no other process is at work.
  public static func remove(from folder: String) {
    for name in (try? Path.list(folder)) ?? [] where isUnfinished(name) { Path.removeTree(Path.join(folder, name)) }
  }

  /// The names that `AtomicFile`, `ScratchFolder`, `ProbabilitySpool` and a training without checkpoints give.
  private static func isUnfinished(_ name: String) -> Bool {
    name.hasPrefix(".")
      && (name.contains(".partial-") || name.hasPrefix(".probabilities-") || name.hasPrefix(".checkpoint_"))
  }
}
