from django.urls import path

from apps.payments.api.webhooks.views import receive

urlpatterns = [path("<slug:provider>/<slug:slug>/", receive, name="webhook")]
