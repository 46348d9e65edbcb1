"""What every Towpath service stands on: broker, delivery, settings, telemetry, health."""
